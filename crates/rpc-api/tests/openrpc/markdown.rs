//! `docs/rpc.md`.

use crate::{
    read::{Interface, Method, Part, docs, texts},
    schema::{is_camel, member_name, parts},
};
use std::fmt::Write;
use syn::{Attribute, Fields, ItemEnum, ItemStruct, Type};

const HEAD: &str = "\
# JSON-RPC

Generated from the traits in `crates/rpc-api/src`, as is the OpenRPC document that `rpc_discover` answers with (the methods
that the asked server offers). A test fails when this page is stale; this writes both anew:

```
PERURI_UPDATE=1 cargo test -p peruri-rpc-api --test openrpc
```

Types are those of the Ethereum [execution API](https://ethereum.github.io/execution-apis/) or stand at the end of this
page; `?` is a parameter that may be left out, or an answer that may be `null`. Methods whose parameters have the type
`Value` check them by themselves and name what is wrong. Limits are the node's `--rpc.*` flags; an error of a limit
names it.

A public server offers the namespaces that `--http.api` and `--ws.api` name (by default `eth`, `net`, `web3`, `plog` where
the chain has a transparency log, `activity` where the node has the mirror); the authenticated server offers all.
";

pub fn page(interface: &Interface) -> String {
    let mut page = HEAD.to_owned();
    for (name, namespace) in &interface.namespaces {
        write!(page, "\n## {name}\n").expect("text");
        if !namespace.docs.is_empty() {
            write!(page, "\n{}\n", namespace.docs).expect("text");
        }
        namespace.parts.iter().for_each(|part| write_part(&mut page, part));
    }
    page.push_str("\n## Types\n");
    let shown = interface.structs.values().filter(|item| is_answer(&item.attrs, &item.fields));
    shown.for_each(|item| write_type(&mut page, item));
    interface.enums.values().for_each(|item| write_choice(&mut page, item));
    page
}

fn write_part(page: &mut String, part: &Part) {
    let docs = part.docs.replace("# Errors", "Errors:");
    write!(page, "\n{docs}\n\n| method | parameters | answer | |\n|---|---|---|---|\n")
        .expect("text");
    part.methods.iter().for_each(|method| write_method(page, method));
}

fn write_method(page: &mut String, method: &Method) {
    let params: Vec<_> = method
        .params
        .iter()
        .map(|(name, ty)| match parts(ty) {
            (outer, inner) if outer == "Option" => format!("{name}?: {}", shown(&inner[0])),
            _ => format!("{name}: {}", shown(ty)),
        })
        .collect();
    let params = if params.is_empty() { String::new() } else { format!("`{}`", params.join(", ")) };
    let result = method.result.as_ref().map_or("subscription".to_owned(), shown);
    let docs = cell(&method.docs.replace("# Errors", "Errors:"));
    writeln!(page, "| `{}` | {params} | `{result}` | {docs} |", method.name).expect("text");
}

fn write_type(page: &mut String, item: &ItemStruct) {
    let (name, about) = (&item.ident, docs(&item.attrs));
    write!(page, "\n### {name}\n\n{about}\n").expect("text");
    write_members(page, &item.fields, is_camel(&texts(&item.attrs, "serde"), "rename_all"));
}

/// One of several forms.
fn write_choice(page: &mut String, item: &ItemEnum) {
    let (name, about) = (&item.ident, docs(&item.attrs));
    write!(page, "\n### {name}\n\n{about}\n").expect("text");
    let serde = texts(&item.attrs, "serde");
    for variant in &item.variants {
        let about = docs(&variant.attrs);
        match &variant.fields {
            Fields::Unnamed(fields) => {
                let ty = shown(&fields.unnamed[0].ty);
                write!(page, "\n{about} `{ty}`\n").expect("text");
            }
            fields => {
                let tag = serde.get("tag").map(|tag| format!(" `{tag}: {}`", variant.ident));
                write!(page, "\n{about}{}\n", tag.unwrap_or_default()).expect("text");
                write_members(page, fields, is_camel(&serde, "rename_all_fields"));
            }
        }
    }
}

fn write_members(page: &mut String, fields: &Fields, camel: bool) {
    page.push_str("\n| member | type | |\n|---|---|---|\n");
    for field in fields {
        let serde = texts(&field.attrs, "serde");
        let ident = field.ident.as_ref().expect("a field with a name").to_string();
        let about = cell(&docs(&field.attrs));
        let ty = shown(&field.ty);
        let name = if serde.contains_key("flatten") {
            format!("all of `{ty}`")
        } else {
            format!("`{}`", member_name(&ident, &serde, camel))
        };
        writeln!(page, "| {name} | `{ty}` | {about} |").expect("text");
    }
}

/// Whether a type is written as JSON by its fields.
fn is_answer(attributes: &[Attribute], fields: &Fields) -> bool {
    let mut serialised = false;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("derive")) {
        let read = attribute.parse_nested_meta(|meta| {
            serialised |= meta.path.is_ident("Serialize");
            Ok(())
        });
        read.expect("names of traits");
    }
    serialised && fields.iter().all(|field| field.ident.is_some())
}

/// A type as the page shows it.
fn shown(ty: &Type) -> String {
    let (name, inner) = parts(ty);
    let first = || shown(&inner[0]);
    match name.as_str() {
        "RpcResult" | "Json" | "Box" | "Arg" => first(),
        "Option" => format!("{}?", first()),
        "Vec" | "HashSet" => format!("[{}]", first()),
        "BTreeMap" | "HashMap" => format!("{{{}: {}}}", first(), shown(&inner[1])),
        "RawValue" => "Value".to_owned(),
        _ if inner.is_empty() => name,
        _ => format!("{name}<{}>", inner.iter().map(shown).collect::<Vec<_>>().join(", ")),
    }
}

fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
