//! What a genesis file means, for people.

use peruri_chainspec::{ChainSpec, Notice};
use peruri_ibft2::quorum;
use std::io::Write;

/// Prints chain id, hash, forks, consensus, validators and every key without effect.
pub(super) fn report(
    spec: &ChainSpec,
    notices: &[Notice],
    out: &mut dyn Write,
) -> eyre::Result<()> {
    writeln!(out, "chain id    {}", spec.chain_id())?;
    writeln!(out, "hash        {}", spec.genesis_hash())?;
    writeln!(out, "state root  {}", spec.genesis_header().state_root)?;
    writeln!(out, "forks")?;
    for (fork, at) in spec.forks().iter() {
        writeln!(out, "  {:<16}{}", fork.name(), peruri_chainspec::describe_condition(at))?;
    }
    match spec.ibft2() {
        None => writeln!(out, "consensus   none: this chain can be imported and served only")?,
        Some(ibft2) => {
            let config = ibft2.config();
            writeln!(
                out,
                "consensus   IBFT 2.0, a block every {} s, request timeout {} s, epoch {} blocks, {}",
                config.block_period_seconds,
                config.request_timeout_seconds,
                config.epoch_length,
                if config.chain_bound_signatures {
                    "signatures bound to the chain"
                } else {
                    "signatures as Besu's (not bound to the chain)"
                }
            )?;
        }
    }
    let base_fee = if spec.zero_base_fee() { "zero" } else { "EIP-1559" };
    writeln!(out, "base fee    {base_fee}")?;
    let validators = spec.genesis_validators()?;
    if let count @ 1.. = validators.len() {
        writeln!(out, "validators  {count}, quorum {}, {} may fail", quorum(count), faulty(count))?;
        for validator in validators {
            writeln!(out, "  {validator:#x}")?;
        }
    }
    if let Some(plog) = spec.plog() {
        let begins = peruri_chainspec::describe_condition(plog.activation);
        writeln!(
            out,
            "plog        {begins}, governance {:#x}, {} logs",
            plog.governance,
            plog.logs.len()
        )?;
        for source in &plog.sources {
            writeln!(out, "  source {:<9}{:#x}", source.id, source.signer)?;
        }
    }
    for notice in notices {
        writeln!(out, "notice      {notice}")?;
    }
    Ok(())
}

/// Validators that may be down without stopping the chain.
fn faulty(count: usize) -> usize {
    count.saturating_sub(quorum(count))
}
