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

/// Files of a node. `@NAME@`, `@PORT@` and `@VERSION@` stand for its values.
const TEMPLATES: [(&str, &str); 3] = [
    ("peruri.toml", include_str!("templates/peruri.toml")),
    ("peruri-node.service", include_str!("templates/peruri-node.service")),
    ("compose.yaml", include_str!("templates/compose.yaml")),
];

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
    TEMPLATES
        .iter()
        .try_for_each(|(file, text)| write_readable(&folder.join(file), &fill(text, name, port)))
}

/// Puts the values of one node into a template.
fn fill(template: &str, name: &str, port: u16) -> String {
    template
        .replace("@NAME@", name)
        .replace("@PORT@", &port.to_string())
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
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
        let [_, unit, compose] = TEMPLATES.map(|(_, text)| fill(text, "A", 7));
        for placeholder in ["@NAME@", "@PORT@", "@VERSION@"] {
            assert!(!unit.contains(placeholder) && !compose.contains(placeholder), "{placeholder}");
        }
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
