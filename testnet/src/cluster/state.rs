//! A record of what a network made, so that another process can look at it and clean up.

use super::Cluster;
use crate::{NamespaceRecord, Result, TestnetError, command::run};
use alloy_primitives::Address;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// Name of the file in the network's folder.
const FILE: &str = "state.json";
/// How long processes may take to stop cleanly before they are killed.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How often they are looked at meanwhile.
const POLL: Duration = Duration::from_millis(50);

/// What a network made outside its folder, and where its nodes answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterState {
    /// The nodes.
    pub members: Vec<MemberState>,
    /// Network namespaces, if there are any.
    pub namespaces: Option<NamespaceRecord>,
    /// Mounted file systems in the order in which they can be unmounted.
    pub mounts: Vec<PathBuf>,
}

/// A node of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberState {
    /// Its name.
    pub name: String,
    /// Address of its key.
    pub address: Address,
    /// Whether it is a validator of the genesis block.
    pub validator: bool,
    /// Its JSON-RPC server.
    pub rpc: SocketAddr,
    /// Its process, if it runs.
    pub process: Option<Process>,
}

/// A process that cannot be mistaken for a later one with the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    id: i32,
    /// When it started, in clock ticks since the machine did.
    started: u64,
}

impl Process {
    /// The process with this id; `None` if there is none.
    pub fn of(id: u32) -> Option<Self> {
        let id = i32::try_from(id).ok()?;
        Some(Self { id, started: started(id)? })
    }

    /// Whether it is still there, and no zombie.
    pub fn is_alive(&self) -> bool {
        started(self.id) == Some(self.started)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let Some(pid) = Pid::from_raw(self.id).filter(|_| self.is_alive()) else { return Ok(()) };
        match kill_process(pid, signal) {
            // It ended just now.
            Err(_) if test_kill_process(pid).is_err() => Ok(()),
            outcome => outcome.map_err(|e| TestnetError::io(format!("{signal:?}"))(e.into())),
        }
    }
}

/// Field 22 of `/proc/ID/stat`; the second field is a name in parentheses that may contain anything.
fn started(id: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    if fields.next() == Some("Z") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

impl ClusterState {
    pub(super) fn of(cluster: &Cluster) -> Self {
        let members = cluster.members.iter().map(|member| MemberState {
            name: member.name.clone(),
            address: member.address,
            validator: member.validator,
            rpc: member.rpc(),
            process: member.pid().and_then(Process::of),
        });
        Self {
            members: members.collect(),
            namespaces: cluster.topology.namespaces().map(|it| it.record().clone()),
            mounts: cluster.disks.mounts(),
        }
    }

    /// Reads the record in a network's folder.
    ///
    /// # Errors
    /// [`TestnetError::Io`] if there is none, [`TestnetError::Answer`] if it is damaged.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let text =
            fs::read_to_string(&path).map_err(TestnetError::io(path.display().to_string()))?;
        serde_json::from_str(&text).map_err(|error| TestnetError::Answer {
            method: path.display().to_string(),
            expected: "the record of a network",
            got: error.to_string(),
        })
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let (path, draft) = (folder.join(FILE), folder.join("state.new"));
        let io = || TestnetError::io(path.display().to_string());
        let text = serde_json::to_string_pretty(self).map_err(|e| io()(e.into()))?;
        fs::write(&draft, text + "\n").map_err(io())?;
        fs::rename(&draft, &path).map_err(io())
    }
}

/// Stops what is still there of the network in `folder`: processes (cleanly, if they do so in time),
/// mounts, namespaces. Its files stay.
///
/// # Errors
/// As [`ClusterState::read`]; [`TestnetError::Command`] if something cannot be removed.
pub async fn down(folder: &Path) -> Result<()> {
    let state = ClusterState::read(folder)?;
    let processes: Vec<_> = state.members.iter().filter_map(|member| member.process).collect();
    for process in &processes {
        // A paused process does not hear of the end before it goes on.
        process.signal(Signal::TERM)?;
        process.signal(Signal::CONT)?;
    }
    let end = Instant::now() + STOP_LIMIT;
    while processes.iter().any(Process::is_alive) && Instant::now() < end {
        tokio::time::sleep(POLL).await;
    }
    for process in &processes {
        process.signal(Signal::KILL)?;
    }
    while processes.iter().any(Process::is_alive) {
        tokio::time::sleep(POLL).await;
    }
    let mounted = fs::read_to_string("/proc/self/mounts").map_err(TestnetError::io("mounts"))?;
    for path in &state.mounts {
        if mounted.contains(&format!(" {} ", path.display())) {
            run(Command::new("umount").arg(path))?;
        }
    }
    state.namespaces.as_ref().map_or(Ok(()), NamespaceRecord::remove)?;
    let members = state.members.into_iter().map(|it| MemberState { process: None, ..it }).collect();
    ClusterState { members, namespaces: None, mounts: Vec::new() }.write(folder)
}

/// Makes `folder` an empty one for a new network and returns its full path: an earlier network in it is
/// stopped and its files are removed.
///
/// # Errors
/// As [`down`]; [`TestnetError::Io`].
pub async fn clear(folder: &Path) -> Result<PathBuf> {
    let io = || TestnetError::io(folder.display().to_string());
    if folder.join(FILE).exists() {
        down(folder).await?;
        fs::remove_dir_all(folder).map_err(io())?;
    }
    super::files::empty_folder(folder)?;
    folder.canonicalize().map_err(io())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::Ipv4Addr, process::Stdio};

    #[test]
    fn a_process_is_known_by_id_and_start() {
        let own = Process::of(std::process::id()).expect("this process");
        assert!(own.is_alive());
        assert!(!Process { started: own.started + 1, ..own }.is_alive());
        let mut child = Command::new("true").spawn().expect("child");
        let ended = Process::of(child.id()).expect("child");
        child.wait().expect("ended");
        assert!(!ended.is_alive());
        ended.signal(Signal::KILL).expect("nothing to do");
    }

    #[tokio::test]
    async fn down_stops_recorded_processes_and_no_others() {
        let folder = tempfile::tempdir().expect("folder");
        let sleep =
            || Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().expect("sleep");
        let (mut ours, mut reused) = (sleep(), sleep());
        let member = |process| MemberState {
            name: "node1".to_owned(),
            address: Address::ZERO,
            validator: true,
            rpc: (Ipv4Addr::LOCALHOST, 1).into(),
            process,
        };
        let other = Process { started: 1, ..Process::of(reused.id()).expect("alive") };
        let state = ClusterState {
            members: vec![member(Process::of(ours.id())), member(Some(other)), member(None)],
            namespaces: None,
            mounts: Vec::new(),
        };
        state.write(folder.path()).expect("written");
        assert_eq!(ClusterState::read(folder.path()).expect("read"), state);
        down(folder.path()).await.expect("down");
        assert!(!ours.wait().expect("ended").success());
        assert!(reused.try_wait().expect("alive").is_none());
        let left = ClusterState::read(folder.path()).expect("read");
        assert!(left.members.iter().all(|member| member.process.is_none()));
        reused.kill().expect("killed");
        reused.wait().expect("ended");
    }
}
