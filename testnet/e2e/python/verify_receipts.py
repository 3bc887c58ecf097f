"""Re-verifies receipts of a running node down to the root of the log.

Written from RFC 9162 with hashlib, and against the tree of pymerkle, which shares no code with the
node. Usage: verify_receipts.py RPC_URL LOG_ID COUNT. Exit code 0 if every receipt holds.
"""

import hashlib
import json
import sys
import urllib.request

import pymerkle

ENTRY_LEN = 140
PAGE = 1000


def call(url, method, *params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = json.load(response)
    if "error" in answer:
        raise SystemExit(f"{method}: {answer['error']}")
    return answer["result"]


def unhex(text):
    assert text.startswith("0x"), text
    return bytes.fromhex(text[2:])


def leaf_hash(entry):
    """RFC 9162 §2.1.1."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(leaf, index, size, path):
    """The root that an inclusion path leads to: RFC 9162 §2.1.3.2."""
    assert index < size, "index outside the tree"
    fn, sn, root = index, size - 1, leaf
    for sibling in path:
        assert sn != 0, "path too long"
        if fn & 1 or fn == sn:
            root = node_hash(sibling, root)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            root = node_hash(root, sibling)
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0, "path too short"
    return root


def entries(url, log, count):
    found = []
    while len(found) < count:
        page = call(url, "plog_getEntries", log, len(found), min(PAGE, count - len(found)))
        assert page, f"the log has {len(found)} entries only"
        found += [unhex(entry["entry"]) for entry in page]
    return found


def main(url, log, count):
    size = call(url, "plog_getLog", log)["size"]
    assert size >= count, f"the log has {size} entries, {count} are to be verified"
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    all_entries = entries(url, log, size)
    for entry in all_entries:
        assert len(entry) == ENTRY_LEN
        tree.append_entry(entry)
    for index in range(count):
        receipt = call(url, "plog_getReceipt", log, index)
        head, entry = receipt["log"], unhex(receipt["entry"])
        root = unhex(head["root"])
        assert (head["id"], head["index"]) == (log, index), head
        assert entry == all_entries[index], f"receipt {index} is of another entry"
        leaf = leaf_hash(entry)
        assert leaf == tree.get_leaf(index + 1), f"leaf {index}"
        assert head["size"] <= size and root == tree.get_root(head["size"]), f"root of {index}"
        path = [unhex(node) for node in receipt["inclusion"]]
        assert fold(leaf, index, head["size"], path) == root, f"path of {index}"
        pymerkle.verify_inclusion(leaf, root, tree.prove_inclusion(index + 1, head["size"]))
    print(f"{count} receipts lead to the root {head['root']} of {head['size']} entries")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
