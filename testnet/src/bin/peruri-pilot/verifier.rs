//! `plog-verify` with the policies of an auditor of the pilot.

use crate::network::Pilot;
use eyre::{Result, WrapErr, ensure, eyre};
use peruri_testnet::Client;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The program and two policies: a quorum of seals, and all three.
pub(crate) struct Verifier {
    program: PathBuf,
    /// The part of a policy that says which chain it is.
    chain: String,
    policy: PathBuf,
    all_seals: PathBuf,
}

impl Verifier {
    /// Writes the policies. Validators and chain are those of the genesis file, which the
    /// organisations know; the node is asked for its hash only.
    pub(crate) async fn new(pilot: &Pilot, client: &Client) -> Result<Self> {
        let folder = pilot.folder();
        let genesis = client.block("0x0").await?.ok_or_else(|| eyre!("no genesis block"))?;
        let hash = genesis["hash"].as_str().ok_or_else(|| eyre!("no hash: {genesis}"))?;
        let chain_id = client.chain_id().await?;
        let chain = format!("chain_id = {chain_id}\ngenesis_hash = \"{hash}\"\n");
        let validators = json!(pilot.validators().into_values().collect::<Vec<_>>());
        let text = format!("{chain}validators = {validators}\n");
        let (policy, all_seals) = (folder.join("policy.toml"), folder.join("policy-seals3.toml"));
        fs::write(&policy, &text)?;
        fs::write(&all_seals, format!("{text}seals = 3\nchange_seals = 3\n"))?;
        Ok(Self { program: pilot.program("plog-verify"), chain, policy, all_seals })
    }

    /// Verifies a receipt under both policies.
    pub(crate) fn both_policies(&self, receipt: &Path) -> Result<()> {
        self.quorum(receipt)?;
        self.run(Command::new(&self.program).arg(receipt).arg("--policy").arg(&self.all_seals))?;
        Ok(())
    }

    /// Verifies a receipt under the policy that a quorum satisfies.
    pub(crate) fn quorum(&self, receipt: &Path) -> Result<()> {
        self.run(Command::new(&self.program).arg(receipt).arg("--policy").arg(&self.policy))?;
        Ok(())
    }

    /// Verifies a receipt under a policy with other validators.
    pub(crate) fn new_validators(&self, receipt: &Path, validators: &Value) -> Result<()> {
        let policy = self.policy.with_file_name("policy-new-validators.toml");
        fs::write(&policy, format!("{}validators = {validators}\n", self.chain))?;
        self.run(Command::new(&self.program).arg(receipt).arg("--policy").arg(&policy))?;
        Ok(())
    }

    /// Verifies that the head of the second receipt extends that of the first.
    pub(crate) fn consistent(&self, old: &Path, new: &Path, proof: &Path) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.arg("consistency").args([old, new, proof]).arg("--policy").arg(&self.all_seals);
        self.run(&mut command)?;
        Ok(())
    }

    /// Verifies a receipt with its payload in a network namespace without any interface; returns what
    /// was printed, or why there can be no such namespace here.
    pub(crate) fn without_network(
        &self,
        receipt: &Path,
        payload: &Path,
        salt: &str,
    ) -> Result<Result<String, String>> {
        // A plain user needs a user namespace of its own for it.
        let flags = [&["-n"][..], &["-r", "-n"]];
        let mut obstacle = String::new();
        for flags in flags {
            let probe = Command::new("unshare").args(flags).arg("true").output();
            match probe {
                Ok(output) if output.status.success() => {
                    let mut command = Command::new("unshare");
                    command.args(flags).arg(&self.program).arg(receipt);
                    command.arg("--policy").arg(&self.all_seals);
                    command.arg("--payload").arg(payload).args(["--salt", salt]);
                    return self.run(&mut command).map(Ok);
                }
                Ok(output) => obstacle = String::from_utf8_lossy(&output.stderr).trim().to_owned(),
                Err(error) => obstacle = error.to_string(),
            }
        }
        Ok(Err(obstacle))
    }

    fn run(&self, command: &mut Command) -> Result<String> {
        let Output { status, stdout, stderr } =
            command.output().wrap_err_with(|| self.program.display().to_string())?;
        let text = String::from_utf8_lossy(&stdout).into_owned();
        let stderr = String::from_utf8_lossy(&stderr);
        ensure!(status.success(), "{command:?}: {status}\n{text}{stderr}");
        Ok(text)
    }
}
