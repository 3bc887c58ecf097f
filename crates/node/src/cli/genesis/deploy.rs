//! What a node is installed with: the node list of the network, and per node a configuration, a systemd
//! unit and a compose file.
//!
//! Both ways of running use the same places. Data folder and sign state are separate, so that a backup
//! or a restore of one never touches the other:
//!
//! | path | what |
//! |---|---|
//! | `/etc/peruri` | `peruri.toml`, `genesis.json`, `node-list.toml`, `key` |
//! | `/var/lib/peruri` | data folder |
//! | `/var/lib/peruri-sign` | sign state |

use super::{
    create::write_readable,
    member::{DEFAULT_PORT, HostPort, Member},
};
use eyre::WrapErr;
use serde::Serialize;
use std::path::Path;

/// The node list as the node reads it: one `[[node]]` per node.
#[derive(Debug, Serialize)]
struct NodeList {
    node: Vec<NodeEntry>,
}

#[derive(Debug, Serialize)]
struct NodeEntry {
    name: String,
    enode: String,
}

/// The node list of those whose public key and host are known; `None` if there are none.
pub(super) fn node_list<'a>(
    members: impl Iterator<Item = &'a Member>,
) -> eyre::Result<Option<String>> {
    let node: Vec<_> = members
        .filter_map(|member| Some(NodeEntry { name: member.name.clone()?, enode: member.enode()? }))
        .collect();
    if node.is_empty() {
        return Ok(None);
    }
    let head =
        "# Who may connect. Every node keeps the same list and reads it again when it changes.\n";
    Ok(Some(format!("{head}{}", toml::to_string(&NodeList { node })?)))
}

/// Writes the files of one node to `folder`.
pub(super) fn write_node(folder: &Path, name: &str, host: Option<&HostPort>) -> eyre::Result<()> {
    std::fs::create_dir_all(folder).wrap_err_with(|| folder.display().to_string())?;
    let port = host.map_or(DEFAULT_PORT, |host| host.port);
    write_readable(&folder.join("peruri.toml"), &config(name))?;
    write_readable(&folder.join("peruri-node.service"), &unit(name, port))?;
    write_readable(&folder.join("compose.yaml"), &compose(name, port))
}

fn config(name: &str) -> String {
    format!(
        "\
# Node {name}. What is not said here has its default: `peruri-node config show` prints everything.
chain = \"/etc/peruri/genesis.json\"

[consensus]
# Made by `peruri-node keys generate --out /etc/peruri/key` on this machine; never copied elsewhere.
key = \"/etc/peruri/key\"
# What this validator has signed. Not part of ordinary backups; never restored.
sign-state = \"/var/lib/peruri-sign\"

[http]
enabled = true
addr = \"127.0.0.1\"

[metrics]
addr = \"127.0.0.1:9001\"
"
    )
}

fn unit(name: &str, port: u16) -> String {
    format!(
        "\
# Node {name}. Install:
#   useradd --system --home-dir /var/lib/peruri --shell /usr/sbin/nologin peruri
#   install -d -o peruri -g peruri -m 0700 /var/lib/peruri /var/lib/peruri-sign
#   put genesis.json, node-list.toml, peruri.toml and key (owner peruri, mode 0600) into /etc/peruri
#   runuser -u peruri -- peruri-node init --config /etc/peruri/peruri.toml --datadir /var/lib/peruri
#   cp peruri-node.service /etc/systemd/system/ && systemctl enable --now peruri-node
# `init` is run once, by hand: a sign state that is lost later must be noticed, not made anew.
[Unit]
Description=peruri-chain node {name}
Wants=network-online.target
After=network-online.target time-sync.target

[Service]
User=peruri
Group=peruri
ExecStart=/usr/local/bin/peruri-node node --config /etc/peruri/peruri.toml \\
    --datadir /var/lib/peruri --node-list /etc/peruri/node-list.toml --port {port}
StateDirectory=peruri peruri-sign
StateDirectoryMode=0700
Restart=on-failure
RestartSec=2
# Wrong configuration does not get better by itself.
RestartPreventExitStatus=2
# The node finishes the running height before it ends.
KillSignal=SIGTERM
TimeoutStopSec=60
LimitNOFILE=1048576
LimitCORE=0
UMask=0077

NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
"
    )
}

fn compose(name: &str, port: u16) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "\
# Node {name}. Beside this file lie peruri.toml, genesis.json, node-list.toml and key (mode 0600).
# Once: docker compose run --rm node init --config /etc/peruri/peruri.toml --datadir /var/lib/peruri
# Then: docker compose up --detach
services:
  node:
    image: ${{PERURI_IMAGE:-peruri-node:{version}}}
    entrypoint: [\"peruri-node\"]
    command:
      - node
      - --config=/etc/peruri/peruri.toml
      - --datadir=/var/lib/peruri
      - --node-list=/etc/peruri/node-list.toml
      - --port={port}
      # Inside the container; outside only loopback reaches them.
      - --http.addr=0.0.0.0
      - --metrics=0.0.0.0:9001
    ports:
      - \"{port}:{port}/tcp\"
      - \"{port}:{port}/udp\"
      - \"127.0.0.1:8545:8545\"
      - \"127.0.0.1:9001:9001\"
    volumes:
      # The folder, not the files: an editor replaces a file, and the node must see the new one.
      - .:/etc/peruri:ro
      - data:/var/lib/peruri
      # What this validator has signed: never part of a backup that could be restored.
      - sign:/var/lib/peruri-sign
    restart: on-failure
    # The node finishes the running height before it ends.
    stop_grace_period: 60s
    read_only: true
    cap_drop: [ALL]
    security_opt: [\"no-new-privileges:true\"]
    ulimits:
      nofile: 1048576

volumes:
  data:
  sign:
"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::{Config, DataArgs, NodeArgs};
    use std::path::PathBuf;

    #[test]
    fn the_node_accepts_its_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let node = folder.path().join("Peruri");
        write_node(&node, "Peruri", None).unwrap();
        let data = DataArgs { config: Some(node.join("peruri.toml")), ..DataArgs::default() };
        let config = Config::load(data, NodeArgs::default()).unwrap();
        assert_eq!(config.chain, "/etc/peruri/genesis.json");
        assert_eq!(config.consensus.sign_state, Some(PathBuf::from("/var/lib/peruri-sign")));
        assert!(config.http.enabled && config.http.addr.is_loopback());
    }

    #[test]
    fn unit_and_compose_file_say_how_to_stop_and_where_things_lie() {
        let (unit, compose) = (unit("A", 7), compose("A", 7));
        for words in ["Restart=on-failure", "TimeoutStopSec=60", "LimitNOFILE=", "--port 7\n"] {
            assert!(unit.contains(words), "{words}");
        }
        for words in ["stop_grace_period: 60s", "\"7:7/udp\"", "sign:/var/lib/peruri-sign"] {
            assert!(compose.contains(words), "{words}");
        }
        for path in ["/var/lib/peruri", "/etc/peruri/node-list.toml", "/etc/peruri/peruri.toml"] {
            assert!(unit.contains(path) && compose.contains(path), "{path}");
        }
    }
}
