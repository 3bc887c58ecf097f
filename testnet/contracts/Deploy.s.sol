// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Token} from "./Token.sol";

/// The part of Foundry's cheat codes that a deployment script needs.
interface Vm {
    function startBroadcast(uint256 privateKey) external;
    function stopBroadcast() external;
    function envUint(string calldata name) external view returns (uint256);
    function envAddress(string calldata name) external view returns (address);
}

/// Deploys a token, mints to a holder and moves part of it: three transactions in one `forge script --broadcast`.
contract Deploy {
    // forge looks for this marker.
    bool public constant IS_SCRIPT = true;

    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function run() external returns (Token token) {
        address holder = vm.envAddress("HOLDER");
        vm.startBroadcast(vm.envUint("PRIVATE_KEY"));
        token = new Token("Forge Token", "FORGE", 1_000 ether);
        token.mint(holder, 5 ether);
        require(token.transfer(holder, 2 ether), "transfer");
        vm.stopBroadcast();
    }
}
