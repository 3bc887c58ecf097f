//! From geth's options to a tracer.

use super::meter::{Kept, KeptSteps, Meter};
use crate::{RpcError, error::RpcResult};
use alloy_rpc_types_trace::geth::{
    GethDebugBuiltInTracerType as BuiltIn, GethDebugTracerConfig, GethDebugTracerType,
    GethDebugTracingOptions, GethDefaultTracingOptions, mux::MuxConfig,
};
use revm_inspectors::tracing::DebugInspector;
use serde_json::json;

/// Tracers by name.
const OFFERED: &str =
    "callTracer, flatCallTracer, prestateTracer, 4byteTracer, muxTracer, noopTracer";

/// The tracer that the options ask for, and the meter for an answer of `limit` bytes.
pub(super) fn tracer(
    mut options: GethDebugTracingOptions,
    limit: usize,
) -> RpcResult<(DebugInspector, Meter)> {
    if options.tracer.as_ref().is_some_and(|tracer| !is_offered(tracer)) {
        return Err(RpcError::invalid(format!(
            "tracer not found: JavaScript is not run, and there are {OFFERED}"
        )));
    }
    if options.tracer == Some(BuiltIn::MuxTracer.into()) {
        options.tracer_config = mux_config(options.tracer_config)?;
    }
    let tracer =
        DebugInspector::new(options).map_err(|error| RpcError::invalid(error.to_string()))?;
    let kept = kept(&tracer);
    Ok((tracer, Meter::new(kept, limit)))
}

fn is_offered(tracer: &GethDebugTracerType) -> bool {
    match tracer {
        GethDebugTracerType::BuiltInTracer(BuiltIn::Erc7562Tracer | BuiltIn::StateGasTracer) => {
            false
        }
        GethDebugTracerType::BuiltInTracer(_) => true,
        // The name of no tracer is the same as none: every instruction.
        GethDebugTracerType::JsTracer(code) => code.is_empty(),
    }
}

/// Configurations as `MuxInspector` wants them: geth takes `null` for a tracer that can be
/// configured, and an object for one that cannot.
fn mux_config(config: GethDebugTracerConfig) -> RpcResult<GethDebugTracerConfig> {
    let invalid = |error: serde_json::Error| RpcError::invalid(format!("muxTracer: {error}"));
    let MuxConfig(mut tracers) = config.into_mux_config().map_err(invalid)?;
    for (tracer, config) in &mut tracers {
        match tracer {
            GethDebugTracerType::BuiltInTracer(BuiltIn::FourByteTracer | BuiltIn::NoopTracer) => {
                *config = None;
            }
            tracer if is_offered(tracer) => {
                config.get_or_insert_with(|| json!({}).into());
            }
            tracer => {
                return Err(RpcError::invalid(format!("muxTracer: no tracer {}", tracer.as_str())));
            }
        }
    }
    Ok(MuxConfig(tracers).into())
}

fn kept(tracer: &DebugInspector) -> Kept {
    match tracer {
        DebugInspector::Default(_, options) => {
            Kept { steps: Some(kept_steps(options)), ..Kept::default() }
        }
        DebugInspector::CallTracer(_, config) => {
            Kept { frames: true, logs: config.with_log.unwrap_or_default(), steps: None }
        }
        DebugInspector::FlatCallTracer(_) => Kept { frames: true, ..Kept::default() },
        DebugInspector::Mux(_, MuxConfig(tracers)) => {
            let has = |tracer: BuiltIn| tracers.contains_key(&tracer.into());
            let calls = has(BuiltIn::CallTracer);
            Kept { frames: calls || has(BuiltIn::FlatCallTracer), logs: calls, steps: None }
        }
        // What these keep is bounded by the accounts, slots and selectors that gas can pay for.
        _ => Kept::default(),
    }
}

fn kept_steps(options: &GethDefaultTracingOptions) -> KeptSteps {
    KeptSteps {
        stack: options.is_stack_enabled(),
        memory: options.is_memory_enabled(),
        storage: options.is_storage_enabled(),
        return_data: options.is_return_data_enabled(),
        // No limit and one of 0 are the same to geth.
        most: options.limit.filter(|limit| *limit != 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn with(options: Value) -> RpcResult<DebugInspector> {
        let options = serde_json::from_value(options).expect("options");
        tracer(options, 1_000).map(|(tracer, _)| tracer)
    }

    #[test]
    fn tracers_have_names() {
        assert!(matches!(with(json!({})), Ok(DebugInspector::Default(..))));
        assert!(matches!(with(json!({"tracer": ""})), Ok(DebugInspector::Default(..))));
        let calls = with(json!({"tracer": "callTracer", "tracerConfig": {"withLog": true}}));
        assert!(
            matches!(calls, Ok(DebugInspector::CallTracer(_, it)) if it.with_log == Some(true))
        );
        let accounts = with(json!({"tracer": "prestateTracer", "tracerConfig": null}));
        assert!(matches!(accounts, Ok(DebugInspector::PreStateTracer(..))));
    }

    #[test]
    fn others_are_refused_and_told_what_there_is() {
        for name in ["{result: function() { return 1 }}", "erc7562Tracer", "x"] {
            let error = with(json!({"tracer": name})).expect_err(name);
            assert_eq!(error.code(), -32602, "{name}");
            assert!(error.to_string().contains("prestateTracer"), "{error}");
        }
        let error = with(json!({"tracer": "callTracer", "tracerConfig": {"withLog": 7}}));
        assert_eq!(error.expect_err("no boolean").code(), -32602);
    }

    #[test]
    fn a_mux_takes_what_geth_takes() {
        let config = json!({"callTracer": null, "4byteTracer": {}, "prestateTracer": {}});
        assert!(with(json!({"tracer": "muxTracer", "tracerConfig": config})).is_ok());
        for inner in ["muxTracer", "erc7562Tracer", "{}"] {
            let error = with(json!({"tracer": "muxTracer", "tracerConfig": {inner: {}}}));
            assert_eq!(error.expect_err(inner).code(), -32602, "{inner}");
        }
    }
}
