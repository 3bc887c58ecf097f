// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {PlogGovernance} from "../src/PlogGovernance.sol";

/// The part of Foundry's cheat codes that these tests need.
interface Vm {
    function prank(address sender) external;
    function warp(uint256 time) external;
    function store(address target, bytes32 slot, bytes32 value) external;
    function etch(address target, bytes calldata code) external;
    function expectRevert(bytes calldata data) external;
    function chainId(uint256 id) external;
}

/// What the proposals call: keeps what came, or fails.
contract Target {
    error Refused(uint256 why);

    uint256 public calls;
    uint256 public value;
    PlogGovernance private immutable _governance;
    uint256 private _again;

    constructor(PlogGovernance governance) {
        _governance = governance;
    }

    function set(uint256 value_) external {
        calls++;
        value = value_;
    }

    function refuse(uint256 why) external pure {
        revert Refused(why);
    }

    function refuseSilently() external pure {
        revert();
    }

    /// Executes the proposal that is being executed once more.
    function reenter(uint256 id) external {
        calls++;
        _governance.execute(id);
    }
}

contract PlogGovernanceTest {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    address private constant ONE = address(0x1001);
    address private constant TWO = address(0x1002);
    address private constant THREE = address(0x1003);
    address private constant STRANGER = address(0x2001);

    PlogGovernance private governance;
    Target private target;
    uint64 private deadline;

    /// As the genesis allocation does it: code and slots, no constructor.
    function setUp() public {
        governance = PlogGovernance(address(0x504C4F47474F5631));
        vm.etch(address(governance), type(PlogGovernance).runtimeCode);
        vm.store(address(governance), 0, bytes32(uint256(3)));
        uint256 first = uint256(keccak256(abi.encode(uint256(0))));
        vm.store(address(governance), bytes32(first), bytes32(uint256(uint160(ONE))));
        vm.store(address(governance), bytes32(first + 1), bytes32(uint256(uint160(TWO))));
        vm.store(address(governance), bytes32(first + 2), bytes32(uint256(uint160(THREE))));
        vm.store(address(governance), bytes32(uint256(1)), bytes32(uint256(2)));
        target = new Target(governance);
        deadline = uint64(block.timestamp + 1 days);
    }

    function propose(address member, bytes memory data) private returns (uint256) {
        return propose(member, address(target), data);
    }

    function propose(address member, address to, bytes memory data) private returns (uint256) {
        vm.prank(member);
        return governance.propose(to, data, deadline);
    }

    function approve(address member, uint256 id) private {
        bytes32 digest = governance.digestOf(id);
        vm.prank(member);
        governance.approve(id, digest);
    }

    function execute(address member, uint256 id) private {
        vm.prank(member);
        governance.execute(id);
    }

    function setOne() private view returns (bytes memory) {
        return abi.encodeCall(Target.set, (1 + target.value()));
    }

    function expect(bytes4 selector) private {
        vm.expectRevert(abi.encodeWithSelector(selector));
    }

    function changeMembers(address[] memory members, uint256 threshold) private returns (uint256 id) {
        bytes memory data = abi.encodeCall(PlogGovernance.setMembers, (members, threshold));
        id = propose(ONE, address(governance), data);
        approve(TWO, id);
    }

    function three(address a, address b, address c) private pure returns (address[] memory list) {
        list = new address[](3);
        (list[0], list[1], list[2]) = (a, b, c);
    }

    function testStorageIsAsTheGenesisAllocationWritesIt() public view {
        address[] memory members = governance.members();
        assert(members.length == 3 && members[0] == ONE && members[1] == TWO && members[2] == THREE);
        assert(governance.threshold() == 2 && governance.epoch() == 0 && governance.count() == 0);
    }

    function testTwoOfThreeMakeACall() public {
        uint256 id = propose(ONE, setOne());
        approve(THREE, id);
        execute(TWO, id);
        assert(target.value() == 1 && target.calls() == 1 && governance.proposal(id).executed);
    }

    function testASingleKeyCannot() public {
        uint256 id = propose(ONE, setOne());
        vm.expectRevert(abi.encodeWithSelector(PlogGovernance.TooFewApprovals.selector, 1, 2));
        execute(ONE, id);
        bytes32 digest = governance.digestOf(id);
        expect(PlogGovernance.AlreadyApproved.selector);
        vm.prank(ONE);
        governance.approve(id, digest);
        assert(target.calls() == 0);
    }

    function testStrangersDoNothing() public {
        uint256 id = propose(ONE, setOne());
        approve(TWO, id);
        bytes32 digest = governance.digestOf(id);
        expect(PlogGovernance.NotMember.selector);
        vm.prank(STRANGER);
        governance.propose(address(target), "", deadline);
        expect(PlogGovernance.NotMember.selector);
        vm.prank(STRANGER);
        governance.approve(id, digest);
        expect(PlogGovernance.NotMember.selector);
        vm.prank(STRANGER);
        governance.revoke(id);
        expect(PlogGovernance.NotMember.selector);
        execute(STRANGER, id);
        expect(PlogGovernance.NotSelf.selector);
        vm.prank(ONE);
        governance.setMembers(three(ONE, TWO, STRANGER), 2);
    }

    function testNothingRunsTwice() public {
        uint256 id = propose(ONE, setOne());
        approve(TWO, id);
        execute(ONE, id);
        expect(PlogGovernance.AlreadyExecuted.selector);
        execute(TWO, id);
        expect(PlogGovernance.AlreadyExecuted.selector);
        vm.prank(THREE);
        governance.revoke(id);
        assert(target.calls() == 1);
    }

    function testAnApprovalNamesItsCall() public {
        uint256 id = propose(ONE, setOne());
        uint256 other = propose(TWO, abi.encodeCall(Target.set, (666)));
        bytes32 digest = governance.digestOf(id);
        bytes32 expected = governance.digestOf(other);
        vm.expectRevert(abi.encodeWithSelector(PlogGovernance.WrongCall.selector, expected));
        vm.prank(ONE);
        governance.approve(other, digest);
        vm.chainId(block.chainid + 1);
        assert(governance.digestOf(id) != digest);
    }

    function testTheSameCallTwiceNeedsApprovalsTwice() public {
        uint256 id = propose(ONE, abi.encodeCall(Target.set, (5)));
        approve(TWO, id);
        execute(ONE, id);
        uint256 again = propose(ONE, abi.encodeCall(Target.set, (5)));
        assert(again == id + 1 && governance.digestOf(again) != governance.digestOf(id));
        vm.expectRevert(abi.encodeWithSelector(PlogGovernance.TooFewApprovals.selector, 1, 2));
        execute(ONE, again);
    }

    function testARevokedApprovalDoesNotCount() public {
        uint256 id = propose(ONE, setOne());
        approve(TWO, id);
        vm.prank(ONE);
        governance.revoke(id);
        vm.expectRevert(abi.encodeWithSelector(PlogGovernance.TooFewApprovals.selector, 1, 2));
        execute(TWO, id);
        expect(PlogGovernance.NotApproved.selector);
        vm.prank(ONE);
        governance.revoke(id);
        approve(ONE, id);
        execute(TWO, id);
    }

    function testProposalsExpire() public {
        uint256 id = propose(ONE, setOne());
        bytes32 digest = governance.digestOf(id);
        vm.warp(deadline);
        expect(PlogGovernance.Expired.selector);
        vm.prank(TWO);
        governance.approve(id, digest);
        expect(PlogGovernance.BadDeadline.selector);
        vm.prank(ONE);
        governance.propose(address(target), "", deadline);
        uint64 tooFar = deadline + governance.LONGEST_LIFE() + 1;
        expect(PlogGovernance.BadDeadline.selector);
        vm.prank(ONE);
        governance.propose(address(target), "", tooFar);
    }

    function testAnApprovedProposalExpiresToo() public {
        uint256 id = propose(ONE, setOne());
        approve(TWO, id);
        vm.warp(deadline);
        expect(PlogGovernance.Expired.selector);
        execute(ONE, id);
    }

    function testAChangeOfMembersEndsWhatWasOpen() public {
        uint256 open = propose(THREE, setOne());
        approve(TWO, open);
        uint256 change = changeMembers(three(ONE, TWO, STRANGER), 2);
        execute(ONE, change);
        assert(governance.epoch() == 1 && governance.members()[2] == STRANGER);
        expect(PlogGovernance.Outdated.selector);
        execute(ONE, open);
        expect(PlogGovernance.NotMember.selector);
        propose(THREE, "");
        uint256 id = propose(STRANGER, setOne());
        approve(ONE, id);
        execute(STRANGER, id);
        assert(target.calls() == 1);
    }

    function testMembersMustMakeSense() public {
        address[] memory many = new address[](governance.MOST_MEMBERS() + 1);
        for (uint256 i = 0; i < many.length; i++) many[i] = address(uint160(0x3000 + i));
        address[] memory four = new address[](4);
        (four[0], four[1], four[2], four[3]) = (ONE, TWO, THREE, STRANGER);
        bad(three(ONE, TWO, ONE), 2);
        bad(three(ONE, TWO, address(0)), 2);
        bad(three(ONE, TWO, address(governance)), 2);
        bad(three(ONE, TWO, THREE), 1);
        bad(three(ONE, TWO, THREE), 4);
        bad(four, 2);
        bad(many, many.length);
        bad(new address[](0), 0);
    }

    function bad(address[] memory members, uint256 threshold) private {
        uint256 id = changeMembers(members, threshold);
        expect(PlogGovernance.BadMembers.selector);
        execute(ONE, id);
    }

    function testACallCannotRunItselfAgain() public {
        // The target is a member, so that only the mark of execution stands in its way.
        uint256 change = changeMembers(three(ONE, TWO, address(target)), 2);
        execute(ONE, change);
        uint256 id = propose(ONE, abi.encodeCall(Target.reenter, (governance.count())));
        approve(TWO, id);
        expect(PlogGovernance.AlreadyExecuted.selector);
        execute(ONE, id);
        assert(target.calls() == 0 && !governance.proposal(id).executed);
    }

    function testErrorsArePassedOnAndTheProposalStaysOpen() public {
        uint256 id = propose(ONE, abi.encodeCall(Target.refuse, (7)));
        approve(TWO, id);
        vm.expectRevert(abi.encodeWithSelector(Target.Refused.selector, 7));
        execute(ONE, id);
        assert(!governance.proposal(id).executed);
        uint256 silent = propose(ONE, abi.encodeCall(Target.refuseSilently, ()));
        approve(TWO, silent);
        expect(PlogGovernance.CallFailed.selector);
        execute(ONE, silent);
    }

    function testACallToNothingFails() public {
        uint256 id = propose(ONE, STRANGER, "");
        approve(TWO, id);
        expect(PlogGovernance.NoCode.selector);
        execute(ONE, id);
    }

    function testUnknownProposals() public {
        expect(PlogGovernance.UnknownProposal.selector);
        execute(ONE, 0);
    }

    function testItTakesNoValue() public {
        (bool ok,) = address(governance).call{value: 1}("");
        assert(!ok);
        bytes memory data = abi.encodeCall(PlogGovernance.propose, (address(target), "", deadline));
        vm.prank(ONE);
        (ok,) = address(governance).call{value: 1}(data);
        assert(!ok && governance.count() == 0);
    }
}
