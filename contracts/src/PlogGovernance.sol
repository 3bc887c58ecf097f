// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Governance of the transparency log: m of n organisations approve a call before it runs
/// @notice A member proposes a call, which counts as its approval; others approve; any member executes
/// it once enough have. Members and threshold change in the same way, by a call to this contract.
/// @dev Written for the genesis allocation: no constructor, no immutables, and members and threshold
/// in slots that can be computed (slot 0: number of members, with member i at keccak256(0) + i;
/// slot 1: threshold). What guards what:
/// - replay: a proposal has a number of its own and runs once; an approval names the call it is for;
/// - changed membership: `epoch` counts the changes, and a proposal of an older epoch is dead;
/// - expiry: a proposal has a deadline, at most `LONGEST_LIFE` ahead;
/// - re-entrancy: a proposal is marked as executed before its call is made;
/// - value: nothing here is payable and no call carries value.
contract PlogGovernance {
    /// @dev A call and what has been said about it.
    struct Proposal {
        address target;
        uint64 deadline;
        uint32 epoch;
        /// Bit i: member i approves.
        uint256 approvals;
        bool executed;
        bytes data;
    }

    error NotMember();
    error NotSelf();
    error UnknownProposal();
    error WrongCall(bytes32 expected);
    error AlreadyApproved();
    error NotApproved();
    error AlreadyExecuted();
    error Expired();
    error Outdated();
    error BadDeadline();
    error BadMembers();
    error TooFewApprovals(uint256 have, uint256 need);
    error NoCode();
    error CallFailed();

    event Proposed(
        uint256 indexed id, address indexed proposer, address indexed target, bytes data, uint64 deadline, bytes32 digest
    );
    event Approved(uint256 indexed id, address indexed member);
    event Revoked(uint256 indexed id, address indexed member);
    event Executed(uint256 indexed id, bytes result);
    event MembersSet(address[] members, uint256 threshold, uint32 epoch);

    /// @notice Seconds that a proposal may live at most.
    uint64 public constant LONGEST_LIFE = 90 days;
    /// @notice Most members.
    uint256 public constant MOST_MEMBERS = 32;

    address[] private _members;
    /// @notice Approvals that a call needs.
    uint256 public threshold;
    /// @notice Number of changes of members and threshold so far.
    uint32 public epoch;
    /// @notice Number of proposals so far; the next one has this number.
    uint256 public count;
    mapping(uint256 id => Proposal) private _proposals;

    /// @notice The members, in the order of their bits in `Proposal.approvals`.
    function members() external view returns (address[] memory) {
        return _members;
    }

    /// @notice A proposal as it stands.
    function proposal(uint256 id) external view returns (Proposal memory) {
        return _proposals[id];
    }

    /// @notice What an approval of this call at this number has to name: chain, contract, number and call.
    function digestOf(uint256 id) public view returns (bytes32) {
        Proposal storage it = _proposals[id];
        return keccak256(abi.encode(block.chainid, address(this), id, it.target, it.deadline, it.data));
    }

    /// @notice Proposes a call and approves it. Members only.
    /// @param deadline Time in seconds from which on it can neither be approved nor executed.
    function propose(address target, bytes calldata data, uint64 deadline) external returns (uint256 id) {
        uint256 bit = _bitOf(msg.sender);
        if (deadline <= block.timestamp || deadline > block.timestamp + LONGEST_LIFE) revert BadDeadline();
        id = count++;
        _proposals[id] = Proposal(target, deadline, epoch, bit, false, data);
        emit Proposed(id, msg.sender, target, data, deadline, digestOf(id));
        emit Approved(id, msg.sender);
    }

    /// @notice Approves a proposal. Members only.
    /// @param digest What `digestOf` gives for the call that the member means.
    function approve(uint256 id, bytes32 digest) external {
        uint256 bit = _bitOf(msg.sender);
        Proposal storage it = _open(id);
        bytes32 expected = digestOf(id);
        if (digest != expected) revert WrongCall(expected);
        if (it.approvals & bit != 0) revert AlreadyApproved();
        it.approvals |= bit;
        emit Approved(id, msg.sender);
    }

    /// @notice Takes an approval back. Members only.
    function revoke(uint256 id) external {
        uint256 bit = _bitOf(msg.sender);
        Proposal storage it = _open(id);
        if (it.approvals & bit == 0) revert NotApproved();
        it.approvals &= ~bit;
        emit Revoked(id, msg.sender);
    }

    /// @notice Makes the call of a proposal that enough members approve. Members only. A call that reverts
    /// takes all of this back with it, and its error is passed on: the proposal stays open.
    function execute(uint256 id) external returns (bytes memory result) {
        _bitOf(msg.sender);
        Proposal storage it = _open(id);
        uint256 have = _ones(it.approvals);
        if (have < threshold) revert TooFewApprovals(have, threshold);
        // A call to an address without code succeeds and does nothing: the log before its activation.
        if (it.target.code.length == 0) revert NoCode();
        it.executed = true;
        bool ok;
        (ok, result) = it.target.call(it.data);
        if (!ok) _passOn(result);
        emit Executed(id, result);
    }

    /// @notice Replaces members and threshold. Only by a proposal of this contract to itself. Every other
    /// open proposal is dead from then on.
    /// @param threshold_ At least 2 and more than half, so that no single key and no minority can act.
    function setMembers(address[] calldata members_, uint256 threshold_) external {
        if (msg.sender != address(this)) revert NotSelf();
        uint256 n = members_.length;
        if (n > MOST_MEMBERS || threshold_ < 2 || threshold_ > n || threshold_ * 2 <= n) revert BadMembers();
        for (uint256 i = 0; i < n; i++) {
            if (members_[i] == address(0) || members_[i] == address(this)) revert BadMembers();
            for (uint256 j = 0; j < i; j++) {
                if (members_[j] == members_[i]) revert BadMembers();
            }
        }
        _members = members_;
        threshold = threshold_;
        epoch += 1;
        emit MembersSet(members_, threshold_, epoch);
    }

    /// @dev The bit of a member.
    function _bitOf(address member) private view returns (uint256) {
        uint256 n = _members.length;
        for (uint256 i = 0; i < n; i++) {
            if (_members[i] == member) return 1 << i;
        }
        revert NotMember();
    }

    /// @dev A proposal that can still be approved or executed.
    function _open(uint256 id) private view returns (Proposal storage it) {
        if (id >= count) revert UnknownProposal();
        it = _proposals[id];
        if (it.executed) revert AlreadyExecuted();
        if (it.epoch != epoch) revert Outdated();
        if (block.timestamp >= it.deadline) revert Expired();
    }

    function _ones(uint256 bits) private pure returns (uint256 n) {
        for (; bits != 0; bits &= bits - 1) {
            n++;
        }
    }

    /// @dev Reverts with the error of a call.
    function _passOn(bytes memory data) private pure {
        if (data.length == 0) revert CallFailed();
        assembly ("memory-safe") {
            revert(add(data, 32), mload(data))
        }
    }
}
