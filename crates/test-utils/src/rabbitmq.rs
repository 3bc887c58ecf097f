//! A RabbitMQ broker of its own.

use crate::group::Group;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs, io,
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

/// Where Debian keeps the script itself. The one in the search path changes to a user of its own, and
/// to the system's folders.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// What the broker writes when it listens.
const STARTED: &str = "completed with";
/// How long a start may take; it is a few seconds on an idle machine.
const START: Duration = Duration::from_secs(90);

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RabbitMqError {
    /// A test that needs it is skipped.
    #[error("{0} is not installed (make deps)")]
    NotInstalled(&'static str),
    /// It does not start.
    #[error("rabbitmq-server has not started: {0}")]
    NotStarted(String),
    /// A file or process cannot be used.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A broker with its own node name, ports, data, logs and port mapper, on 127.0.0.1 only. It ends with
/// this value, and with the process that holds it. Starting and stopping block the thread.
#[derive(Debug)]
pub struct RabbitMq {
    // Before the folder, so that nobody writes there any more when it is removed.
    broker: Option<Group>,
    _epmd: Group,
    ports: Ports,
    folder: TempDir,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    amqp: u16,
    distribution: u16,
    epmd: u16,
}

impl RabbitMq {
    /// Starts a broker with a folder among the temporary ones and waits until it listens.
    ///
    /// # Errors
    /// [`RabbitMqError::NotInstalled`] where there is none.
    pub fn start() -> Result<Self, RabbitMqError> {
        Self::start_in(&std::env::temp_dir())
    }

    /// The same with its folder in `parent`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_in(parent: &Path) -> Result<Self, RabbitMqError> {
        if !Path::new(PROGRAM).is_file() {
            return Err(RabbitMqError::NotInstalled("rabbitmq-server"));
        }
        let epmd = find("epmd").ok_or(RabbitMqError::NotInstalled("epmd"))?;
        let folder = TempDir::with_prefix_in("rabbitmq-", fs::canonicalize(parent)?)?;
        fs::write(folder.path().join("plugins"), "[].\n")?;
        fs::write(folder.path().join("rabbitmq-env.conf"), "")?;
        let ports = Ports::choose()?;
        // The broker would start one that outlives it.
        let port = ports.epmd.to_string();
        let arguments = ["-port", &port, "-address", "127.0.0.1"];
        let epmd = Group::start(&epmd, &arguments, [], folder.path(), "")?;
        let mut started = Self { broker: None, _epmd: epmd, ports, folder };
        started.restart()?;
        Ok(started)
    }

    /// Address of the broker, for the user `guest` and the virtual host `/`.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.ports.amqp)
    }

    /// Folder of its data and logs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills it without warning; what it has not written is lost.
    pub fn kill9(&mut self) {
        if let Some(mut broker) = self.broker.take() {
            broker.kill();
        }
    }

    /// Stops it cleanly.
    ///
    /// # Errors
    /// [`RabbitMqError::Io`] if its process id cannot be read.
    pub fn stop(&mut self) -> Result<(), RabbitMqError> {
        let Some(mut broker) = self.broker.take() else { return Ok(()) };
        let text = fs::read_to_string(self.folder.path().join("pid"))?;
        let pid = text.trim().parse().ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other(format!("no process id: {text}")))?;
        kill_process(pid, Signal::TERM).map_err(io::Error::from)?;
        broker.wait();
        Ok(())
    }

    /// Starts it again on the same data and ports, after killing it if it runs, and waits until it
    /// listens.
    ///
    /// # Errors
    /// [`RabbitMqError::NotStarted`] with its last words.
    pub fn restart(&mut self) -> Result<(), RabbitMqError> {
        self.kill9();
        let folder = self.folder.path();
        let environment = self.ports.environment(folder);
        let mut broker = Group::start(Path::new(PROGRAM), &[], environment, folder, STARTED)?;
        if broker.ready.recv_timeout(START).is_err() {
            return Err(RabbitMqError::NotStarted(broker.kill()));
        }
        self.broker = Some(broker);
        Ok(())
    }
}

impl Ports {
    fn choose() -> io::Result<Self> {
        let listen = || TcpListener::bind("127.0.0.1:0");
        // Held together, so that they differ.
        let (amqp, distribution, epmd) = (listen()?, listen()?, listen()?);
        let port = |listener: TcpListener| Ok::<_, io::Error>(listener.local_addr()?.port());
        Ok(Self { amqp: port(amqp)?, distribution: port(distribution)?, epmd: port(epmd)? })
    }

    /// Names of <https://www.rabbitmq.com/configure.html#supported-environment-variables>.
    fn environment(&self, folder: &Path) -> Vec<(&'static str, String)> {
        let within = |name: &str| folder.join(name).display().to_string();
        vec![
            // The Erlang cookie lies there.
            ("HOME", within("")),
            ("LANG", "C.UTF-8".to_owned()),
            ("RABBITMQ_NODENAME", format!("peruri-{}@localhost", self.amqp)),
            ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".to_owned()),
            ("RABBITMQ_NODE_PORT", self.amqp.to_string()),
            ("RABBITMQ_DIST_PORT", self.distribution.to_string()),
            ("ERL_EPMD_PORT", self.epmd.to_string()),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
            ("RABBITMQ_MNESIA_BASE", within("mnesia")),
            ("RABBITMQ_LOG_BASE", within("log")),
            ("RABBITMQ_PID_FILE", within("pid")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", within("plugins")),
            ("RABBITMQ_CONFIG_FILE", within("rabbitmq")),
            ("RABBITMQ_CONF_ENV_FILE", within("rabbitmq-env.conf")),
            ("RABBITMQ_GENERATED_CONFIG_DIR", within("generated")),
            // Erlang takes the place of the script, so that a signal reaches it.
            ("RUNNING_UNDER_SYSTEMD", "true".to_owned()),
            (
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}".to_owned(),
            ),
        ]
    }
}

/// A program of the search path.
fn find(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}
