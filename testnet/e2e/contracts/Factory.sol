// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// Takes coins.
contract Wallet {
    receive() external payable {}
}

/// Creates wallets as minimal proxies (ERC-1167) and pays them: creations and transfers inside transactions.
contract Factory {
    address public immutable implementation;

    event Opened(address wallet);

    constructor() {
        implementation = address(new Wallet());
    }

    function open() external payable {
        _pay(Clones.clone(implementation));
    }

    function openAt(bytes32 salt) external payable {
        _pay(Clones.cloneDeterministic(implementation, salt));
    }

    function walletAt(bytes32 salt) external view returns (address) {
        return Clones.predictDeterministicAddress(implementation, salt);
    }

    function refuse(string calldata reason) external payable {
        revert(reason);
    }

    function _pay(address wallet) private {
        Address.sendValue(payable(wallet), msg.value);
        emit Opened(wallet);
    }
}
