// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title The transparency log, a precompiled contract at 0x00000000000000000000000000000000504C4F47
/// @notice Flat RFC 6962 SHA-256 trees of 140-byte entries. Each log has a 32-byte id, each source a
/// number from 1 and a sequence of its own: an entry is accepted only with the source's next number.
/// @dev Call it directly: DELEGATECALL and CALLCODE are refused, and so is value. Arguments must be in
/// canonical ABI encoding: offsets as Solidity writes them, zero padding, nothing after the last word.
/// Every refusal is a revert with one of the errors below; the price of the call is kept then, the rest
/// of the gas goes back. 200 gas come on top of each price. docs/plog.md has the order of the checks.
interface IPlog {
    /// @notice The entry's number is not the source's next one.
    error BadSeq(uint64 expected, uint64 got);
    /// @notice The entry at `index` of the call breaks a rule of its form, or the call holds none.
    error BadEntry(uint32 index);
    /// @notice The caller is neither signer nor gateway of an active source that may write this log.
    error NotSource();
    /// @notice The caller is not the governance contract.
    error NotGovernance();
    /// @notice There is no log of this id.
    error UnknownLog();
    /// @notice The root of this size is not kept, or the log never had it.
    error UnknownSize();
    /// @notice The log exists already.
    error LogExists();
    /// @notice More than 1,024 entries, or a number would leave its range.
    error TooLarge();
    /// @notice A function that writes, called statically.
    error ReadOnly();
    /// @notice Called by DELEGATECALL or CALLCODE.
    error DirectCallOnly();
    /// @notice Value, an unknown function, or arguments that are malformed or out of their range.
    error BadCall();

    /// @notice Entries were appended.
    /// @param firstSeq Number of the first one in its source's sequence.
    /// @param firstIndex Its index in the log.
    /// @param newSize Entries in the log from now on.
    /// @param batchRoot RFC 6962 root of the leaves of this call alone.
    /// @param root RFC 6962 root of the whole log.
    event Appended(
        bytes32 indexed logId,
        uint32 indexed sourceId,
        uint64 firstSeq,
        uint64 firstIndex,
        uint64 newSize,
        bytes32 batchRoot,
        bytes32 root
    );
    /// @notice The entry at `index` says that an activity has none.
    /// @param reason 1 invalid, 2 withdrawn, 3 duplicate, 4 operator, 5 source closed.
    event Voided(bytes32 indexed logId, uint64 index, uint16 reason);
    /// @notice The entry at `index` says that salt and payload of an earlier one were destroyed.
    event Erased(bytes32 indexed logId, uint64 index);
    /// @notice A log was created.
    event LogCreated(bytes32 indexed logId, uint32 mode);
    /// @notice A source was registered or changed.
    event SourceSet(uint32 indexed sourceId, address signer, bool active);
    /// @notice A source's gateway was set, or removed (zero).
    event GatewaySet(uint32 indexed sourceId, address gateway);
    /// @notice A source may, or may no longer, write a log.
    event WriterSet(bytes32 indexed logId, uint32 indexed sourceId, bool allowed);
    /// @notice The governance role moved.
    event GovernanceSet(address indexed old, address indexed now);

    /// @notice Appends entries of one source, in the order of their numbers.
    /// @param firstSeq Number of the first entry; must be the source's next.
    /// @param entries 1 to 1,024 entries of 140 bytes each, one after another.
    /// @return firstIndex Index of the first entry in the log.
    /// @return newSize Entries in the log from now on.
    /// @return root RFC 6962 root of the whole log.
    function append(bytes32 logId, uint32 sourceId, uint64 firstSeq, bytes calldata entries)
        external
        returns (uint64 firstIndex, uint64 newSize, bytes32 root);

    /// @notice Appends one entry of type 10 that stands for `count` entries kept elsewhere.
    /// @param root Their Merkle root, whatever its rule.
    function appendRoot(bytes32 logId, uint32 sourceId, uint64 firstSeq, bytes32 root, uint32 count)
        external
        returns (uint64 firstIndex, uint64 newSize, bytes32 newRoot);

    /// @notice Creates an empty log. Governance only.
    /// @param mode Bit 0: the log keeps a hash chain per subject. Other bits must be clear.
    function createLog(bytes32 logId, uint32 mode) external;

    /// @notice Registers a source, or changes signer and state of a known one; its next number never falls.
    /// Governance only.
    function setSource(uint32 sourceId, address signer, bool active) external;

    /// @notice Sets a contract that may append for the source as well; zero for none. Governance only.
    function setGateway(uint32 sourceId, address gateway) external;

    /// @notice Lets a source write a log, or no longer. Governance only.
    function setWriter(bytes32 logId, uint32 sourceId, bool allowed) external;

    /// @notice Moves the governance role. Governance only.
    function setGovernance(address governance) external;

    /// @notice Size and root of a log, and the block of its last append (of its creation while empty).
    function head(bytes32 logId) external view returns (uint64 size, bytes32 root, uint64 blockNumber);

    /// @notice Root of a log when an append left it with `size` entries; kept for the newest 8,191 sizes.
    function rootAt(bytes32 logId, uint64 size) external view returns (bytes32);

    /// @notice Roots of the perfect trees that make up a log, the largest first.
    function frontier(bytes32 logId) external view returns (bytes32[] memory);

    /// @notice State of a source; zeros if it is not known.
    function sourceState(uint32 sourceId)
        external
        view
        returns (address signer, uint64 nextSeq, uint64 lastBlock, bool active);

    /// @notice Entries of a subject and the end of their hash chain; zeros if there are none.
    function subjectHead(bytes32 logId, bytes32 subject) external view returns (uint64 count, bytes32 chain);

    /// @notice Whether `leaf` is at `index` of the tree of `size` leaves under `root` (RFC 9162, 2.1.3.2).
    function verifyInclusion(bytes32 leaf, uint64 index, uint64 size, bytes32 root, bytes32[] calldata path)
        external
        pure
        returns (bool);

    /// @notice Whether the tree of `second` leaves extends the one of `first` (RFC 9162, 2.1.4.2).
    function verifyConsistency(
        uint64 first,
        bytes32 firstRoot,
        uint64 second,
        bytes32 secondRoot,
        bytes32[] calldata path
    ) external pure returns (bool);
}
