//! Lists of instructions as geth writes them.

use alloy_rpc_types_trace::geth::{GethTrace, StructLog};

/// Leaves out what geth leaves out, and says in geth's words why an instruction failed.
pub(super) fn as_geth(mut trace: GethTrace) -> GethTrace {
    if let GethTrace::Default(frame) = &mut trace {
        frame.struct_logs.iter_mut().for_each(trim);
    }
    trace
}

fn trim(step: &mut StructLog) {
    step.refund_counter = step.refund_counter.filter(|refund| *refund != 0);
    step.memory = step.memory.take().filter(|memory| !memory.is_empty());
    step.return_data = step.return_data.take().filter(|data| !data.is_empty());
    step.error = step.error.take().map(|reason| words(&reason).to_owned());
}

/// geth's words for what the inspector gives as the name of revm's `InstructionResult`.
fn words(reason: &str) -> &str {
    let name = reason.strip_prefix("Some(").and_then(|rest| rest.strip_suffix(')'));
    match name.unwrap_or(reason) {
        "OutOfGas"
        | "MemoryOOG"
        | "MemoryLimitOOG"
        | "PrecompileOOG"
        | "InvalidOperandOOG"
        | "ReentrancySentryOOG" => "out of gas",
        "InvalidJump" => "invalid jump destination",
        "OpcodeNotFound" | "InvalidFEOpcode" | "NotActivated" => "invalid opcode",
        "StackUnderflow" => "stack underflow",
        "StackOverflow" => "stack limit reached 1024",
        "StateChangeDuringStaticCall" | "CallNotAllowedInsideStatic" => "write protection",
        "OutOfOffset" => "return data out of bounds",
        "CreateCollision" => "contract address collision",
        "CreateInitCodeSizeLimit" => "max initcode size exceeded",
        "NonceOverflow" => "nonce uint64 overflow",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use revm::interpreter::InstructionResult;

    #[test]
    fn reasons_are_geths() {
        for (result, expected) in [
            (InstructionResult::OutOfGas, "out of gas"),
            (InstructionResult::InvalidJump, "invalid jump destination"),
            (InstructionResult::StateChangeDuringStaticCall, "write protection"),
            (InstructionResult::OutOfOffset, "return data out of bounds"),
        ] {
            assert_eq!(words(&format!("{:?}", Some(result))), expected);
        }
        assert_eq!(words("Some(FatalExternalError)"), "FatalExternalError");
    }
}
