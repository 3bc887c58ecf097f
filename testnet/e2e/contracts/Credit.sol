// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// An ERC-20 with allowances by signature (ERC-2612).
contract Credit is ERC20Permit {
    constructor(uint256 supply) ERC20("Credit", "CRD") ERC20Permit("Credit") {
        _mint(msg.sender, supply);
    }
}
