//! How the programs start and end: probe, obstacle, verdict, signals.

use crate::{Judge, Result, TestnetError};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Resolves on Ctrl-C or SIGTERM.
///
/// # Errors
/// [`TestnetError::Io`] if signals cannot be caught.
pub fn stop_signal() -> Result<impl Future<Output = ()>> {
    let io = || TestnetError::io("signals");
    let mut interrupt = signal(SignalKind::interrupt()).map_err(io())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(io())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Plays a scenario and judges it: standard output ends with `N passed, N failed`.
///
/// With an `obstacle` (why this machine cannot play it) the scenario is skipped with that reason.
/// With `probe` nothing is played: exit code 0, or 1 with the obstacle on standard output.
pub async fn judge(
    name: &str,
    probe: bool,
    obstacle: Option<String>,
    scenario: impl AsyncFnOnce(&mut Judge) -> Result<()>,
) -> ExitCode {
    if probe {
        return match obstacle {
            None => ExitCode::SUCCESS,
            Some(reason) => {
                println!("{reason}");
                ExitCode::FAILURE
            }
        };
    }
    let mut judge = Judge::new();
    match obstacle {
        Some(reason) => judge.skip(name, reason),
        None => {
            if let Err(error) = scenario(&mut judge).await {
                judge.check("the scenario itself", Err::<(), _>(error));
            }
        }
    }
    judge.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn code(probe: bool, obstacle: Option<&str>, good: bool) -> bool {
        let code = judge("it", probe, obstacle.map(str::to_owned), async |judge: &mut Judge| {
            judge.expect("something", true, "");
            if good {
                return Ok(());
            }
            let limit = std::time::Duration::ZERO;
            Err(TestnetError::Timeout { what: "it".to_owned(), limit })
        });
        format!("{:?}", code.await) == format!("{:?}", ExitCode::SUCCESS)
    }

    #[tokio::test]
    async fn success_needs_a_scenario_that_was_played_to_its_end() {
        assert!(code(false, None, true).await);
        assert!(!code(false, None, false).await);
        assert!(!code(false, Some("no root"), true).await);
    }

    #[tokio::test]
    async fn a_probe_plays_nothing() {
        assert!(code(true, None, false).await);
        assert!(!code(true, Some("no root"), true).await);
    }
}
