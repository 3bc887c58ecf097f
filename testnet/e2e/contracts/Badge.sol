// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

/// An ERC-721 whose minters have a role.
contract Badge is ERC721, AccessControl {
    bytes32 public constant MINTER = keccak256("MINTER");

    constructor() ERC721("Badge", "BDG") {
        _grantRole(DEFAULT_ADMIN_ROLE, msg.sender);
    }

    function award(address to, uint256 id) external onlyRole(MINTER) {
        _safeMint(to, id);
    }

    function supportsInterface(bytes4 id) public view override(ERC721, AccessControl) returns (bool) {
        return super.supportsInterface(id);
    }
}
