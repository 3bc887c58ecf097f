// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

// What the vault stands behind.
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// Holds coins behind a proxy (ERC-1967) that its keeper upgrades. The guard lies in transient storage (EIP-1153).
contract Vault is Initializable, UUPSUpgradeable, ReentrancyGuardTransient {
    address public keeper;

    error NotKeeper(address caller);

    constructor() {
        _disableInitializers();
    }

    function initialize(address keeper_) external initializer {
        keeper = keeper_;
    }

    receive() external payable {}

    function pay(address payable to, uint256 amount) public nonReentrant {
        Address.sendValue(to, amount);
    }

    function version() external pure virtual returns (uint256) {
        return 1;
    }

    function _authorizeUpgrade(address) internal view override {
        if (msg.sender != keeper) revert NotKeeper(msg.sender);
    }
}

contract VaultV2 is Vault {
    function version() external pure override returns (uint256) {
        return 2;
    }
}

/// Asks a vault for more while it is being paid.
contract Thief {
    function rob(Vault vault) external {
        vault.pay(payable(address(this)), 1);
    }

    receive() external payable {
        Vault(payable(msg.sender)).pay(payable(address(this)), 1);
    }
}
