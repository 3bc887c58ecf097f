//! The OpenRPC document.

use crate::{
    read::{Interface, Method},
    schema::{Schemas, parts},
};
use serde_json::{Value, json};

pub fn document(interface: &Interface) -> Value {
    let mut schemas = Schemas::new(interface);
    let mut methods = Vec::new();
    for (name, namespace) in &interface.namespaces {
        let all = namespace.parts.iter().flat_map(|part| &part.methods);
        methods.extend(all.map(|listed| method(&mut schemas, name, listed)));
    }
    methods.sort_by_key(|method| method["name"].as_str().unwrap_or_default().to_owned());
    json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "peruri-chain JSON-RPC",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "methods": methods,
        "components": {"schemas": schemas.into_named()},
    })
}

fn method(schemas: &mut Schemas<'_>, namespace: &str, method: &Method) -> Value {
    let params: Vec<Value> = method
        .params
        .iter()
        .map(|(name, ty)| {
            let (outer, inner) = parts(ty);
            let optional = outer == "Option";
            let schema = schemas.of(if optional { &inner[0] } else { ty });
            json!({"name": name, "required": !optional, "schema": schema})
        })
        .collect();
    let result = match &method.result {
        Some(ty) => json!({"name": "result", "schema": schemas.of(ty)}),
        None => json!({"name": "subscription", "schema": {"type": "string"}}),
    };
    let (summary, rest) = method.docs.split_once("\n\n").unwrap_or((&method.docs, ""));
    let mut value = json!({
        "name": method.name,
        "summary": summary.replace('\n', " "),
        "tags": [{"name": namespace}],
        "paramStructure": "by-position",
        "params": params,
        "result": result,
    });
    if !rest.is_empty() {
        value["description"] = json!(rest);
    }
    value
}
