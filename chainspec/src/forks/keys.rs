//! The fork keys of `config`, in the spelling of Besu and geth.

use super::Forks;
use crate::{
    error::{ChainSpecError, Notice, Site},
    json::{Node, Object},
};
use EthereumHardfork::{
    ArrowGlacier, Berlin, Bpo1, Bpo2, Bpo3, Bpo4, Bpo5, Byzantium, Cancun, Constantinople, Dao,
    GrayGlacier, Homestead, Istanbul, London, MuirGlacier, Osaka, Paris, Petersburg, Prague,
    Shanghai, SpuriousDragon, Tangerine,
};
use alloy_hardforks::{EthereumHardfork, ForkCondition};
use alloy_primitives::U256;
use std::collections::BTreeMap;

/// Forks by block with their keys in `config`.
const BLOCK_KEYS: [(&str, EthereumHardfork); 11] = [
    ("homesteadBlock", Homestead),
    ("eip150Block", Tangerine),
    ("byzantiumBlock", Byzantium),
    ("constantinopleBlock", Constantinople),
    ("istanbulBlock", Istanbul),
    ("muirGlacierBlock", MuirGlacier),
    ("berlinBlock", Berlin),
    ("londonBlock", London),
    ("arrowGlacierBlock", ArrowGlacier),
    ("grayGlacierBlock", GrayGlacier),
    ("daoForkBlock", Dao),
];

/// Forks by time with their keys in `config`.
const TIME_KEYS: [(&str, EthereumHardfork); 9] = [
    ("shanghaiTime", Shanghai),
    ("cancunTime", Cancun),
    ("pragueTime", Prague),
    ("osakaTime", Osaka),
    ("bpo1Time", Bpo1),
    ("bpo2Time", Bpo2),
    ("bpo3Time", Bpo3),
    ("bpo4Time", Bpo4),
    ("bpo5Time", Bpo5),
];

/// Forks after the newest one that this node knows, as Besu and geth spell them.
const TOO_NEW: [&str; 6] = [
    "amsterdamTime",
    "bogotaTime",
    "futureEipsTime",
    "experimentalEipsTime",
    "verkleTime",
    "ubtTime",
];

/// What the fork keys are read with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ForkContext {
    /// True with `config.ibft2`: Besu's reading where clients differ.
    pub(crate) ibft2: bool,
    /// Timestamp of block 0, seconds.
    pub(crate) genesis_time: u64,
    /// Difficulty of block 0.
    pub(crate) genesis_difficulty: U256,
}

/// Takes every fork key out of `config`.
pub(crate) fn parse_forks(
    config: &mut Object<'_>,
    context: ForkContext,
    notices: &mut Vec<Notice>,
) -> Result<Forks, ChainSpecError> {
    for key in TOO_NEW {
        if let Some(node) = config.take_hidden(key) {
            return Err(node.unsupported("the newest fork supported is Osaka"));
        }
    }
    let mut reader = Reader { forks: Forks::default(), sites: BTreeMap::new(), config };
    for (key, fork) in BLOCK_KEYS {
        reader.take(key, fork, ForkCondition::Block)?;
    }
    for (key, fork) in TIME_KEYS {
        reader.take(key, fork, ForkCondition::Timestamp)?;
    }
    reader.spurious_dragon()?;
    reader.petersburg(context, notices)?;
    reader.dao(notices)?;
    reader.paris(context, notices)?;
    let Reader { mut forks, sites, .. } = reader;
    forks.complete(context.genesis_time).map_err(|(fork, reason)| {
        let site = sites.get(&fork).cloned().unwrap_or_else(|| Site::new(format!("{fork}")));
        ChainSpecError::Conflict { site, reason }
    })?;
    constantinople_window(&forks, &sites, notices);
    Ok(forks)
}

struct Reader<'o, 'a> {
    config: &'o mut Object<'a>,
    forks: Forks,
    sites: BTreeMap<EthereumHardfork, Site>,
}

impl<'a> Reader<'_, 'a> {
    fn take(
        &mut self,
        key: &'static str,
        fork: EthereumHardfork,
        condition: fn(u64) -> ForkCondition,
    ) -> Result<Option<Node<'a>>, ChainSpecError> {
        let node = self.config.take(key);
        if let Some(node) = &node {
            self.forks.set(fork, condition(node.u64()?));
            self.sites.insert(fork, node.site());
        }
        Ok(node)
    }

    /// Two keys that must agree, the second being an alias of the first.
    fn take_pair(
        &mut self,
        keys: [&'static str; 2],
        fork: EthereumHardfork,
    ) -> Result<Option<Node<'a>>, ChainSpecError> {
        let first = self.take(keys[0], fork, ForkCondition::Block)?;
        let before = self.forks.get(fork);
        let second = self.take(keys[1], fork, ForkCondition::Block)?;
        if let (Some(_), Some(second)) = (&first, &second)
            && before != self.forks.get(fork)
        {
            return Err(second.conflict(format!(
                "{} and {} are one fork here and name different blocks",
                keys[0], keys[1]
            )));
        }
        Ok(second.or(first))
    }

    fn spurious_dragon(&mut self) -> Result<(), ChainSpecError> {
        self.take_pair(["eip155Block", "eip158Block"], SpuriousDragon).map(drop)
    }

    /// Petersburg has two names; Besu refuses a file that has both.
    fn petersburg(
        &mut self,
        context: ForkContext,
        notices: &mut Vec<Notice>,
    ) -> Result<(), ChainSpecError> {
        let named = self.take("petersburgBlock", Petersburg, ForkCondition::Block)?;
        let fix = self.take("constantinopleFixBlock", Petersburg, ForkCondition::Block)?;
        if let (Some(_), Some(fix)) = (&named, &fix) {
            return Err(fix.conflict("petersburgBlock and constantinopleFixBlock are one fork"));
        }
        let constantinople = self.forks.get(Constantinople);
        let later = [Istanbul, Berlin, London].map(|fork| self.forks.get(fork));
        let closed = later.contains(&constantinople);
        if named.or(fix).is_none() && constantinople != ForkCondition::Never && !closed {
            let site = self.site(Constantinople);
            if context.ibft2 {
                return Err(ChainSpecError::Unsupported {
                    site,
                    reason: "Constantinople without its fix (EIP-1283); set petersburgBlock".into(),
                });
            }
            self.forks.set(Petersburg, constantinople);
            notices.push(Notice::new(site, "petersburgBlock is absent: taken as the same block"));
        }
        Ok(())
    }

    /// geth: `daoForkSupport: false` means that this chain opposes the fork.
    fn dao(&mut self, notices: &mut Vec<Notice>) -> Result<(), ChainSpecError> {
        if let Some(support) = self.config.take("daoForkSupport")
            && !support.boolean()?
            && self.forks.get(Dao) != ForkCondition::Never
        {
            self.forks.set(Dao, ForkCondition::Never);
            notices.push(Notice::new(support.site(), "the DAO fork is not applied"));
        }
        Ok(())
    }

    /// The merge. On a BFT chain its keys mean nothing: Paris comes with Shanghai.
    fn paris(
        &mut self,
        context: ForkContext,
        notices: &mut Vec<Notice>,
    ) -> Result<(), ChainSpecError> {
        let block = self.take_pair(["mergeNetsplitBlock", "preMergeForkBlock"], Paris)?;
        let ttd = self.config.take("terminalTotalDifficulty");
        let passed = self.config.take("terminalTotalDifficultyPassed");
        if context.ibft2 {
            self.forks.set(Paris, ForkCondition::Never);
            for node in [block, ttd, passed].into_iter().flatten() {
                notices.push(Notice::new(node.site(), "ignored: a BFT chain has no merge"));
            }
            return Ok(());
        }
        if let Some(passed) = passed {
            passed.boolean()?;
            notices.push(Notice::new(passed.site(), crate::config::IGNORED));
        }
        let reached = match &ttd {
            Some(node) => node.number()? <= context.genesis_difficulty,
            None => false,
        };
        if reached {
            // The total difficulty of block 0 is enough: no block is mined.
            self.forks.set(Paris, ForkCondition::ZERO_BLOCK);
        } else if let (Some(ttd), None) = (&ttd, &block) {
            notices.push(Notice::new(
                ttd.site(),
                "total difficulty is not followed: give mergeNetsplitBlock, the first block after the merge",
            ));
        }
        self.merge_is_known(context)
    }

    /// Whether a block after Shanghai has a reward depends on Paris, which must be known by block.
    fn merge_is_known(&self, context: ForkContext) -> Result<(), ChainSpecError> {
        let first = TIME_KEYS
            .map(|(_, fork)| fork)
            .into_iter()
            .find_map(|fork| self.forks.get(fork).as_timestamp().map(|time| (fork, time)));
        match first {
            Some((fork, time))
                if time > context.genesis_time && self.forks.get(Paris) == ForkCondition::Never =>
            {
                Err(ChainSpecError::Conflict {
                    site: self.site(fork),
                    reason:
                        "a fork by time needs the merge before it: set terminalTotalDifficulty \
                             to 0 or mergeNetsplitBlock"
                            .to_owned(),
                })
            }
            _ => Ok(()),
        }
    }

    fn site(&self, fork: EthereumHardfork) -> Site {
        self.sites.get(&fork).cloned().unwrap_or_else(|| Site::new(fork.to_string()))
    }
}

/// The EVM has no rules for Constantinople before its fix; Petersburg's are used, which differ in
/// the gas of `SSTORE` (EIP-1283).
fn constantinople_window(
    forks: &Forks,
    sites: &BTreeMap<EthereumHardfork, Site>,
    notices: &mut Vec<Notice>,
) {
    let (constantinople, fix) = (forks.get(Constantinople), forks.get(Petersburg));
    if constantinople != fix
        && let Some(site) = sites.get(&Constantinople)
    {
        notices.push(Notice::new(
            site.clone(),
            "blocks before petersburgBlock run with Petersburg's rules (no EIP-1283)",
        ));
    }
}
