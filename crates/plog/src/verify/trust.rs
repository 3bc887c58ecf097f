//! Step 10: the header's validators are the policy's, or follow from them through changes each of
//! which enough of the validators trusted before have sealed.

use super::{
    fault::{Check, Fault},
    header::CheckedHeader,
};
use crate::policy::Policy;

/// Checks the changes, oldest first, and that they end at the set of `main`.
pub(super) fn check(
    main: &CheckedHeader,
    changes: &[CheckedHeader],
    policy: &Policy,
) -> Result<(), Fault> {
    if main.set == policy.validators && !changes.is_empty() {
        let detail = "the header's validators are the policy's, but there are changes";
        return Err(fault("NEEDLESS", detail));
    }
    let mut trusted = &policy.validators;
    let mut last_number = None;
    for (index, change) in changes.iter().enumerate() {
        let number = change.header.number;
        if last_number.is_some_and(|last| number <= last) {
            return Err(fault("ORDER", format!("change {index} is block {number}, out of order")));
        }
        if number >= main.header.number {
            let detail = format!("change {index} is block {number}, not below the header's");
            return Err(fault("NOT_BELOW", detail));
        }
        let signers = change.signers()?;
        let old = signers.iter().filter(|signer| trusted.contains(signer)).count();
        let needed = policy.change_seals_needed(trusted.len());
        if old < needed {
            let detail = format!(
                "change {index} (block {number}) is sealed by {old} of the {} validators trusted \
                 before, {needed} needed",
                trusted.len()
            );
            return Err(fault("OLD_SIGNERS", detail));
        }
        trusted = &change.set;
        last_number = Some(number);
    }
    if main.set == *trusted {
        return Ok(());
    }
    let detail = if changes.is_empty() {
        "the header's validators are not the policy's, and no change leads to them"
    } else {
        "the header's validators are not those of the last change"
    };
    Err(fault("SET", detail))
}

fn fault(sub: &'static str, detail: impl Into<String>) -> Fault {
    Fault::new(Check::Trust, sub, detail)
}
