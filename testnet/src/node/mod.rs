//! A `peruri-node` process: started where its options say, stopped by its id.

mod options;

pub use options::{NodeOptions, Ports};

use crate::{Client, Result, TestnetError};
use options::{ActualPorts, tail};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, File, OpenOptions},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};
use tokio::process::Child;

/// How long a node may take to answer its first request. Generous: tests share the machine.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a node may take to stop cleanly.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How long a killed process may take to be gone.
const KILL_LIMIT: Duration = Duration::from_secs(10);
/// How often a starting node is asked.
const POLL: Duration = Duration::from_millis(20);

/// A running node. Dropping it kills the process.
#[derive(Debug)]
pub struct Node {
    child: Child,
    client: Client,
    ip: IpAddr,
    ports: ActualPorts,
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
        let ports = ActualPorts::choose(&options.ports)?;
        let log = open_log(&options.log)?;
        let errors = log.try_clone().map_err(TestnetError::io("the node's log"))?;
        let child = options
            .command(&ports)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // Ctrl-C on the terminal is for the scenario, which then stops the node cleanly.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(TestnetError::io(options.program.display().to_string()))?;
        let client = Client::new((options.ip, ports.http).into());
        Ok(Self { child, client, ip: options.ip, ports, log: options.log.clone() })
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
        format!("http://{}", SocketAddr::from((self.ip, self.ports.http)))
    }

    /// URL of the public WebSocket server.
    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.ws_address())
    }

    /// Address of the public WebSocket server.
    pub fn ws_address(&self) -> SocketAddr {
        (self.ip, self.ports.ws).into()
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

    /// Stops the process where it is (`SIGSTOP`); its connections stay open.
    ///
    /// # Errors
    /// [`TestnetError::Io`].
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a paused process go on (`SIGCONT`).
    ///
    /// # Errors
    /// [`TestnetError::Io`].
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) else {
            return Ok(());
        };
        kill_process(pid, signal).map_err(|e| TestnetError::io(format!("{signal:?}"))(e.into()))
    }

    /// Kills the process and waits until it is gone, where nothing can be awaited.
    pub(crate) fn kill_now(&mut self) {
        // A process that has ended already needs no kill.
        let _ = self.child.start_kill();
        let end = Instant::now() + KILL_LIMIT;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(POLL);
        }
    }

    /// Asks the process to stop (`SIGTERM`) and waits for it.
    ///
    /// # Errors
    /// [`TestnetError::Timeout`] if it does not, [`TestnetError::NodeEnded`] if its exit code is not 0.
    pub async fn stop(mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
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

#[cfg(test)]
mod tests {
    use super::*;

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
