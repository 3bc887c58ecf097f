// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// Makes calls of every kind, for tests. Each function passes on what came back, revert or not.
contract PlogCaller {
    error Undone(bytes result);

    /// An ordinary call, with the value that came along.
    function doCall(address target, bytes calldata data) external payable returns (bytes memory) {
        (bool ok, bytes memory result) = target.call{value: msg.value}(data);
        return _answer(ok, result);
    }

    function doStaticCall(address target, bytes calldata data) external view returns (bytes memory) {
        (bool ok, bytes memory result) = target.staticcall(data);
        return _answer(ok, result);
    }

    function doDelegateCall(address target, bytes calldata data) external returns (bytes memory) {
        (bool ok, bytes memory result) = target.delegatecall(data);
        return _answer(ok, result);
    }

    /// CALLCODE is gone from Solidity, not from the EVM.
    function doCallCode(address target, bytes calldata data) external returns (bytes memory) {
        bytes memory input = data;
        bytes memory result;
        bool ok;
        assembly ("memory-safe") {
            ok := callcode(gas(), target, 0, add(input, 32), mload(input), 0, 0)
            result := mload(0x40)
            mstore(result, returndatasize())
            returndatacopy(add(result, 32), 0, returndatasize())
            mstore(0x40, and(add(add(result, 63), returndatasize()), not(31)))
        }
        return _answer(ok, result);
    }

    /// A call with that much gas and no more; says whether it succeeded and never fails itself.
    function tryCall(address target, bytes calldata data, uint256 gasLimit)
        external
        returns (bool ok, bytes memory result)
    {
        (ok, result) = target.call{gas: gasLimit}(data);
    }

    /// A call that succeeds, inside a frame that reverts, inside one that does not.
    function callAndUndo(address target, bytes calldata data) external returns (bytes memory) {
        try this.callAndRevert(target, data) {
            revert("not undone");
        } catch (bytes memory data_) {
            return data_;
        }
    }

    function callAndRevert(address target, bytes calldata data) external {
        (bool ok, bytes memory result) = target.call(data);
        require(ok, "call failed");
        revert Undone(result);
    }

    function _answer(bool ok, bytes memory result) private pure returns (bytes memory) {
        if (ok) return result;
        assembly ("memory-safe") {
            revert(add(result, 32), mload(result))
        }
    }
}
