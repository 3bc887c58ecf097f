//! How a node is started: program, folders, network and clock.

use crate::{Clock, Result, TestnetError, free_port};
use std::{
    ffi::OsString,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};
use tokio::process::Command;

/// How to start a node.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// The `peruri-node` program.
    pub program: PathBuf,
    /// The data folder.
    pub datadir: PathBuf,
    /// Folder of what was signed; `None` is the node's default, `<datadir>.sign`.
    pub sign_state: Option<PathBuf>,
    /// The key file; `None` is the node's default, `<datadir>/key`.
    pub key: Option<PathBuf>,
    /// The genesis file; `None` runs the `dev` preset.
    pub chain: Option<PathBuf>,
    /// Where its servers listen.
    pub ip: IpAddr,
    /// Their ports.
    pub ports: Ports,
    /// Network namespace to run in.
    pub namespace: Option<String>,
    /// A wall clock of its own.
    pub clock: Option<Clock>,
    /// Further arguments of `peruri-node node`.
    pub args: Vec<OsString>,
    /// Where its output is appended.
    pub log: PathBuf,
}

/// Ports of a node's servers; `None` takes a free one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ports {
    /// JSON-RPC over HTTP.
    pub http: Option<u16>,
    /// JSON-RPC over WebSocket.
    pub ws: Option<u16>,
    /// Authenticated JSON-RPC.
    pub authrpc: Option<u16>,
    /// Metrics, health and readiness.
    pub metrics: Option<u16>,
}

impl Ports {
    /// The node's defaults: for nodes that have an address of their own.
    pub const USUAL: Self =
        Self { http: Some(8545), ws: Some(8546), authrpc: Some(8551), metrics: Some(9001) };
}

/// The ports of one start.
#[derive(Debug, Clone, Copy)]
pub(super) struct ActualPorts {
    pub(super) http: u16,
    pub(super) ws: u16,
    authrpc: u16,
    metrics: u16,
}

impl ActualPorts {
    pub(super) fn choose(ports: &Ports) -> Result<Self> {
        let or_free = |port: Option<u16>| port.map_or_else(free_port, Ok);
        Ok(Self {
            http: or_free(ports.http)?,
            ws: or_free(ports.ws)?,
            authrpc: or_free(ports.authrpc)?,
            metrics: or_free(ports.metrics)?,
        })
    }
}

impl NodeOptions {
    /// A development chain of one validator with 1 s blocks, all files under `folder`.
    pub fn dev(program: impl Into<PathBuf>, folder: &Path) -> Self {
        Self {
            program: program.into(),
            datadir: folder.join("data"),
            sign_state: None,
            key: None,
            chain: None,
            ip: Ipv4Addr::LOCALHOST.into(),
            ports: Ports::default(),
            namespace: None,
            clock: None,
            args: Vec::new(),
            log: folder.join("node.log"),
        }
    }

    /// Adds arguments of `peruri-node node`.
    pub fn with_args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Folder of what was signed.
    pub fn sign_state(&self) -> PathBuf {
        self.sign_state.clone().unwrap_or_else(|| {
            let mut name = self.datadir.clone().into_os_string();
            name.push(".sign");
            name.into()
        })
    }

    /// The last line that the node wrote; empty if it wrote none.
    pub fn last_line(&self) -> String {
        tail(&self.log, 1)
    }

    /// Makes the data folder and, for a validator of the genesis block, the first record of the sign
    /// state; what is there already stays.
    ///
    /// # Errors
    /// As [`NodeOptions::run`].
    pub async fn init(&self) -> Result<()> {
        let mut arguments = vec![OsString::from("init")];
        if let Some(file) = &self.chain {
            arguments.extend(["--chain".into(), file.into()]);
        }
        arguments.extend(self.places());
        self.run(&arguments).await.map(drop)
    }

    /// Runs another subcommand (`db verify-state`) on the same data folder and waits for it. Returns
    /// its standard output.
    ///
    /// # Errors
    /// [`TestnetError::Command`] if it exits with another code than 0.
    pub async fn run(&self, subcommand: &[impl AsRef<std::ffi::OsStr>]) -> Result<String> {
        let mut command = Command::new(&self.program);
        command.args(subcommand).arg("--datadir").arg(&self.datadir).kill_on_drop(true);
        let shown = format!("{:?}", command.as_std());
        let output = command.output().await.map_err(TestnetError::io(shown.clone()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(TestnetError::Command {
            command: shown,
            status: output.status,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// The command of `peruri-node node`, in its namespace and with its clock.
    pub(super) fn command(&self, ports: &ActualPorts) -> Command {
        let mut command = match &self.namespace {
            // Unlike `ip netns exec` it leaves the mounts alone, so that disks can be unmounted.
            Some(name) => {
                let mut command = Command::new("nsenter");
                command.arg(format!("--net=/run/netns/{name}")).arg("--").arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        command.args(self.node_arguments(ports));
        if let Some(clock) = &self.clock {
            command.envs(clock.environment());
        }
        command
    }

    /// Flags that say where key and sign state lie.
    fn places(&self) -> Vec<OsString> {
        let mut arguments = Vec::new();
        for (flag, path) in
            [("--consensus.key", &self.key), ("--consensus.sign-state", &self.sign_state)]
        {
            if let Some(path) = path {
                arguments.extend([flag.into(), path.into()]);
            }
        }
        arguments
    }

    fn node_arguments(&self, ports: &ActualPorts) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["node".into()];
        match &self.chain {
            Some(file) => arguments.extend(["--chain".into(), file.into()]),
            None => arguments.push("--dev".into()),
        }
        arguments.extend(["--datadir".into(), self.datadir.clone().into()]);
        arguments.extend(self.places());
        arguments.extend(["--http", "--ws"].map(Into::into));
        let ip = self.ip.to_string();
        for server in ["--http", "--ws", "--authrpc"] {
            if self.ip != IpAddr::from(Ipv4Addr::LOCALHOST) {
                arguments.extend([format!("{server}.addr").into(), ip.clone().into()]);
            }
        }
        for (flag, port) in [
            ("--http.port", ports.http),
            ("--ws.port", ports.ws),
            ("--authrpc.port", ports.authrpc),
        ] {
            arguments.extend([flag.into(), port.to_string().into()]);
        }
        let metrics = SocketAddr::from((self.ip, ports.metrics));
        arguments.extend(["--metrics".into(), metrics.to_string().into()]);
        arguments.extend(self.args.iter().cloned());
        arguments
    }
}

pub(super) fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORTS: ActualPorts = ActualPorts { http: 1, ws: 2, authrpc: 3, metrics: 4 };

    fn shown(options: &NodeOptions) -> String {
        options.node_arguments(&PORTS).join(&OsString::from(" ")).into_string().expect("UTF-8")
    }

    #[test]
    fn arguments_choose_preset_or_file() {
        let mut options = NodeOptions::dev("peruri-node", Path::new("/x")).with_args(["--flag"]);
        assert_eq!(
            shown(&options),
            "node --dev --datadir /x/data --http --ws --http.port 1 --ws.port 2 \
             --authrpc.port 3 --metrics 127.0.0.1:4 --flag"
        );
        options.chain = Some("/g.json".into());
        assert!(shown(&options).starts_with("node --chain /g.json --datadir"));
    }

    #[test]
    fn a_node_with_its_own_address_listens_there() {
        let mut options = NodeOptions::dev("peruri-node", Path::new("/x"));
        options.ip = IpAddr::from([198, 18, 0, 10]);
        options.sign_state = Some("/sign".into());
        options.key = Some("/key".into());
        let line = shown(&options);
        for words in [
            "--http.addr 198.18.0.10",
            "--ws.addr 198.18.0.10",
            "--authrpc.addr 198.18.0.10",
            "--metrics 198.18.0.10:4",
            "--consensus.key /key --consensus.sign-state /sign",
        ] {
            assert!(line.contains(words), "{words}: {line}");
        }
        assert_eq!(options.sign_state(), PathBuf::from("/sign"));
    }

    #[test]
    fn the_namespace_is_entered_first() {
        let mut options = NodeOptions::dev("peruri-node", Path::new("/x"));
        options.namespace = Some("n0".to_owned());
        let command = options.command(&PORTS);
        let command = command.as_std();
        assert_eq!(command.get_program(), "nsenter");
        let arguments: Vec<_> = command.get_args().take(4).collect();
        assert_eq!(arguments, ["--net=/run/netns/n0", "--", "peruri-node", "node"]);
    }
}
