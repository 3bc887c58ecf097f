//! The OpenRPC document and `docs/rpc.md`, generated from the traits and types in `src/`.
//!
//! Both are committed, so that the server can hand out the document and readers find the page. This
//! test fails when they are stale; `PERURI_UPDATE=1 cargo test -p peruri-rpc-api --test openrpc` writes
//! them anew.

#![allow(missing_docs, unreachable_pub)]

mod document;
mod markdown;
mod read;
mod schema;

use read::Interface;
use serde_json::Value;
use std::{fs, path::Path};

// Tests run in the folder of their package, wherever they were built.
const DOCUMENT: &str = "openrpc.json";
const PAGE: &str = "../../docs/rpc.md";

fn interface() -> Interface {
    Interface::read(Path::new("src"))
}

fn updating() -> bool {
    std::env::var_os("PERURI_UPDATE").is_some()
}

#[test]
fn the_document_is_that_of_the_traits() {
    let document = document::document(&interface());
    if updating() {
        let mut text = serde_json::to_string_pretty(&document).expect("JSON");
        text.push('\n');
        fs::write(DOCUMENT, text).expect("writable");
    }
    let committed: Value =
        serde_json::from_str(&fs::read_to_string(DOCUMENT).expect("openrpc.json")).expect("JSON");
    // As values: features of other crates decide on the order of members.
    assert!(committed == document, "openrpc.json is stale: see the head of this file");
}

#[test]
fn the_page_is_that_of_the_traits() {
    let page = markdown::page(&interface());
    if updating() {
        fs::write(PAGE, &page).expect("writable");
    }
    let committed = fs::read_to_string(PAGE).expect("docs/rpc.md");
    assert!(committed == page, "docs/rpc.md is stale: see the head of this file");
}

#[test]
fn every_reference_has_a_schema_and_every_method_is_described() {
    let document = document::document(&interface());
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let name = reference.strip_prefix("#/components/schemas/").expect("a local reference");
        assert!(schemas.contains_key(name), "{name}");
    }
    let methods = document["methods"].as_array().expect("methods");
    assert!(methods.len() > 100, "{}", methods.len());
    for method in methods {
        assert!(method["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method}");
    }
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                found.push(reference.clone());
            }
            members.values().for_each(|member| collect_references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        _ => {}
    }
}
