//! A `peruri-node` process: started on free loopback ports, stopped by its id.

use crate::{Client, Result, TestnetError};
use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};
use tokio::process::{Child, Command};

/// How long a node may take to answer its first request. Generous: tests share the machine.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a node may take to stop cleanly.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How often a starting node is asked.
const POLL: Duration = Duration::from_millis(20);

/// How to start a node.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// The `peruri-node` program.
    pub program: PathBuf,
    /// The data folder. What was signed is kept beside it, in `<folder>.sign`.
    pub datadir: PathBuf,
    /// The genesis file; `None` runs the `dev` preset.
    pub chain: Option<PathBuf>,
    /// The HTTP port; `None` takes a free one.
    pub http_port: Option<u16>,
    /// Further arguments of `peruri-node node`.
    pub args: Vec<OsString>,
    /// Where its output is appended.
    pub log: PathBuf,
}

impl NodeOptions {
    /// A development chain of one validator with 1 s blocks, all files under `folder`.
    pub fn dev(program: impl Into<PathBuf>, folder: &Path) -> Self {
        Self {
            program: program.into(),
            datadir: folder.join("data"),
            chain: None,
            http_port: None,
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
        let mut name = self.datadir.clone().into_os_string();
        name.push(".sign");
        name.into()
    }

    /// The last line that the node wrote; empty if it wrote none.
    pub fn last_line(&self) -> String {
        tail(&self.log, 1)
    }

    /// Runs another subcommand (`db verify-state`, `init --chain FILE`) on the same data folder and
    /// waits for it. Returns its standard output.
    ///
    /// # Errors
    /// [`TestnetError::Command`] if it exits with another code than 0.
    pub async fn run(&self, subcommand: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.program);
        command.args(subcommand).arg("--datadir").arg(&self.datadir).kill_on_drop(true);
        let shown = format!("{} {}", self.program.display(), subcommand.join(" "));
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

    fn node_arguments(&self, ports: &Ports) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["node".into()];
        match &self.chain {
            Some(file) => arguments.extend(["--chain".into(), file.into()]),
            None => arguments.push("--dev".into()),
        }
        arguments.extend(["--datadir".into(), self.datadir.clone().into()]);
        arguments.extend(["--http", "--ws"].map(Into::into));
        for (flag, port) in [
            ("--http.port", ports.http),
            ("--ws.port", ports.ws),
            ("--authrpc.port", ports.authrpc),
        ] {
            arguments.extend([flag.into(), port.to_string().into()]);
        }
        arguments.extend(["--metrics".into(), local(ports.metrics).to_string().into()]);
        arguments.extend(self.args.iter().cloned());
        arguments
    }
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    http: u16,
    ws: u16,
    authrpc: u16,
    metrics: u16,
}

impl Ports {
    fn free(http: Option<u16>) -> Result<Self> {
        Ok(Self {
            http: http.map_or_else(free_port, Ok)?,
            ws: free_port()?,
            authrpc: free_port()?,
            metrics: free_port()?,
        })
    }
}

/// A running node. Dropping it kills the process.
#[derive(Debug)]
pub struct Node {
    child: Child,
    client: Client,
    ports: Ports,
    log: PathBuf,
}

impl Node {
    /// Starts the process and returns once it answers JSON-RPC.
    ///
    /// # Errors
    /// [`TestnetError::NodeEnded`] with the end of its log, or [`TestnetError::Timeout`].
    pub async fn start(options: &NodeOptions) -> Result<Self> {
        let mut node = Self::spawn(options)?;
        node.ready().await?;
        Ok(node)
    }

    /// Starts the process and returns at once.
    ///
    /// # Errors
    /// [`TestnetError::Io`] if it cannot be started.
    pub fn spawn(options: &NodeOptions) -> Result<Self> {
        let ports = Ports::free(options.http_port)?;
        let log = open_log(&options.log)?;
        let errors = log.try_clone().map_err(TestnetError::io("the node's log"))?;
        let child = Command::new(&options.program)
            .args(options.node_arguments(&ports))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // Ctrl-C on the terminal is for the scenario, which then stops the node cleanly.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(TestnetError::io(options.program.display().to_string()))?;
        let client = Client::new(local(ports.http));
        Ok(Self { child, client, ports, log: options.log.clone() })
    }

    /// Waits until the node answers JSON-RPC.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub async fn ready(&mut self) -> Result<()> {
        let end = Instant::now() + START_LIMIT;
        while Instant::now() < end {
            self.alive()?;
            match self.client.chain_id().await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_connection() => tokio::time::sleep(POLL).await,
                Err(error) => return Err(error),
            }
        }
        Err(TestnetError::Timeout { what: "the node's first answer".into(), limit: START_LIMIT })
    }

    /// Checks that the process is still there.
    ///
    /// # Errors
    /// [`TestnetError::NodeEnded`].
    pub fn alive(&mut self) -> Result<()> {
        match self.child.try_wait().map_err(TestnetError::io("the node's process"))? {
            None => Ok(()),
            Some(status) => Err(TestnetError::NodeEnded {
                status,
                log: self.log.clone(),
                tail: tail(&self.log, 30),
            }),
        }
    }

    /// Waits until the process ends by itself.
    ///
    /// # Errors
    /// [`TestnetError::Timeout`] if it does not.
    pub async fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        let timeout = || TestnetError::Timeout { what: "the node's own end".into(), limit };
        let status = tokio::time::timeout(limit, self.child.wait()).await;
        status.map_err(|_| timeout())?.map_err(TestnetError::io("the node's process"))
    }

    /// A client of its public HTTP server.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// URL of the public HTTP server.
    pub fn http_url(&self) -> String {
        format!("http://{}", local(self.ports.http))
    }

    /// URL of the public WebSocket server.
    pub fn ws_url(&self) -> String {
        format!("ws://{}", local(self.ports.ws))
    }

    /// Process id; `None` once it was waited for.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Kills the process at once (`SIGKILL`), as a crash would.
    ///
    /// # Errors
    /// [`TestnetError::Io`].
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.map_err(TestnetError::io("kill"))
    }

    /// Asks the process to stop (`SIGTERM`) and waits for it.
    ///
    /// # Errors
    /// [`TestnetError::Timeout`] if it does not, [`TestnetError::NodeEnded`] if its exit code is not 0.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(pid) = self.child.id().and_then(|id| rustix::process::Pid::from_raw(id as i32))
        {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)
                .map_err(|e| TestnetError::io("SIGTERM")(e.into()))?;
        }
        let timeout =
            || TestnetError::Timeout { what: "the node's clean stop".into(), limit: STOP_LIMIT };
        let status: ExitStatus = tokio::time::timeout(STOP_LIMIT, self.child.wait())
            .await
            .map_err(|_| timeout())?
            .map_err(TestnetError::io("the node's process"))?;
        if status.success() {
            return Ok(());
        }
        let tail = tail(&self.log, 30);
        Err(TestnetError::NodeEnded { status, log: self.log.clone(), tail })
    }
}

/// A loopback port that nobody listens on now. Somebody else may take it before it is used; a
/// node then ends at start with that reason.
///
/// # Errors
/// [`TestnetError::Io`].
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(local(0)).map_err(TestnetError::io("a free port"))?;
    Ok(listener.local_addr().map_err(TestnetError::io("a free port"))?.port())
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn open_log(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(TestnetError::io(folder.display().to_string()))?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(TestnetError::io(path.display().to_string()))
}

fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_choose_preset_or_file() {
        let mut options = NodeOptions::dev("peruri-node", Path::new("/x")).with_args(["--flag"]);
        let ports = Ports { http: 1, ws: 2, authrpc: 3, metrics: 4 };
        let shown = |options: &NodeOptions| {
            options.node_arguments(&ports).join(&OsString::from(" ")).into_string().expect("UTF-8")
        };
        assert_eq!(
            shown(&options),
            "node --dev --datadir /x/data --http --ws --http.port 1 --ws.port 2 \
             --authrpc.port 3 --metrics 127.0.0.1:4 --flag"
        );
        options.chain = Some("/g.json".into());
        assert!(shown(&options).starts_with("node --chain /g.json --datadir"));
    }

    #[tokio::test]
    async fn a_process_that_ends_is_reported_with_its_log() {
        let folder = tempfile::tempdir().expect("folder");
        let options = NodeOptions::dev("/bin/echo", folder.path());
        let error = Node::start(&options).await.expect_err("echo is no node");
        assert!(matches!(error, TestnetError::NodeEnded { .. }), "{error}");
        assert!(error.to_string().contains("--http.port"), "{error}");
    }

    #[tokio::test]
    async fn a_program_that_is_missing_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let options = NodeOptions::dev("/no/such/program", folder.path());
        let error = Node::start(&options).await.expect_err("missing").to_string();
        assert!(error.contains("/no/such/program"), "{error}");
    }
}
