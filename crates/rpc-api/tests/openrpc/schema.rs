//! From Rust types to JSON schemas.

use crate::read::{Interface, docs, texts};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use syn::{Fields, GenericArgument, Generics, ItemEnum, ItemStruct, PathArguments, Type};

const API: &str = "https://ethereum.github.io/execution-apis/";
const GETH: &str = "https://geth.ethereum.org/docs/developers/evm-tracing/built-in-tracers";
const PARITY: &str = "https://openethereum.github.io/JSONRPC-trace-module";
const OTTERSCAN: &str = "https://docs.otterscan.io/api-docs/ots-api";

/// Types of other crates whose members are defined elsewhere.
const DEFINED_ELSEWHERE: [(&str, &str); 37] = [
    ("AccessListResult", API),
    ("Block", API),
    ("BlockDetails", OTTERSCAN),
    ("BlockOverrides", API),
    ("ContractCreator", OTTERSCAN),
    ("EIP1186AccountProofResponse", API),
    ("EthConfig", "https://eips.ethereum.org/EIPS/eip-7910"),
    ("FeeHistory", API),
    ("Filter", API),
    ("FilterChanges", API),
    ("GethDebugTracingCallOptions", GETH),
    ("GethDebugTracingOptions", GETH),
    ("GethTrace", GETH),
    ("Header", API),
    ("InternalOperation", OTTERSCAN),
    ("LocalizedTransactionTrace", PARITY),
    ("Log", API),
    ("OtsBlockTransactions", OTTERSCAN),
    ("Params", API),
    ("PendingTransactionFilterKind", API),
    ("SimulatePayload", API),
    ("SimulatedBlock", API),
    ("StateOverride", API),
    ("StorageValuesRequest", API),
    ("SubscriptionKind", API),
    ("SyncStatus", API),
    ("TraceEntry", OTTERSCAN),
    ("TraceFilter", PARITY),
    ("TraceResult", GETH),
    ("TraceResults", PARITY),
    ("TraceResultsWithTransactionHash", PARITY),
    ("TraceType", PARITY),
    ("Transaction", API),
    ("TransactionReceipt", API),
    ("TransactionRequest", API),
    ("TransactionsWithReceipts", OTTERSCAN),
    ("BlockId", API),
];

/// Builds schemas and gathers those that are referred to.
pub struct Schemas<'i> {
    interface: &'i Interface,
    named: BTreeMap<String, Value>,
}

/// Types that stand for the parameters of a generic type.
type Arguments = BTreeMap<String, Type>;

impl<'i> Schemas<'i> {
    pub const fn new(interface: &'i Interface) -> Self {
        Self { interface, named: BTreeMap::new() }
    }

    /// The schemas with a name, by name.
    pub fn into_named(self) -> BTreeMap<String, Value> {
        self.named
    }

    /// The schema of a type.
    ///
    /// # Panics
    /// If the type is not known: then it belongs into one of the tables here.
    pub fn of(&mut self, ty: &Type) -> Value {
        self.schema(ty, &Arguments::new())
    }

    fn schema(&mut self, ty: &Type, arguments: &Arguments) -> Value {
        let (name, inner) = parts(ty);
        if let Some(argument) = arguments.get(&name) {
            return self.schema(&argument.clone(), &Arguments::new());
        }
        let mut first = || self.schema(inner.first().expect("an argument"), arguments);
        match name.as_str() {
            "RpcResult" | "Json" | "Box" | "Arc" | "Arg" => first(),
            "Option" => json!({"oneOf": [first(), {"type": "null"}]}),
            "Vec" => json!({"type": "array", "items": first()}),
            "HashSet" => json!({"type": "array", "items": first(), "uniqueItems": true}),
            "BTreeMap" | "HashMap" => {
                let value = self.schema(inner.get(1).expect("two arguments"), arguments);
                json!({"type": "object", "additionalProperties": value})
            }
            _ => simple(&name).unwrap_or_else(|| self.named(&name, &inner)),
        }
    }

    fn named(&mut self, name: &str, inner: &[Type]) -> Value {
        let interface = self.interface;
        if let Some(alias) = interface.aliases.get(name) {
            return self.of(alias);
        }
        // What stands for a parameter is not part of a name.
        if let Some(item) = interface.structs.get(name).filter(|it| is_generic(&it.generics)) {
            return self.object(item, &arguments(&item.generics, inner));
        }
        if let Some(item) = interface.enums.get(name).filter(|it| is_generic(&it.generics)) {
            return self.choice(item, &arguments(&item.generics, inner));
        }
        if !self.named.contains_key(name) {
            // A type may contain itself.
            self.named.insert(name.to_owned(), Value::Null);
            let elsewhere = DEFINED_ELSEWHERE.iter().find(|(known, _)| *known == name);
            let schema = if let Some(item) = interface.structs.get(name) {
                self.object(item, &Arguments::new())
            } else if let Some(item) = interface.enums.get(name) {
                self.choice(item, &Arguments::new())
            } else if let Some((_, url)) = elsewhere {
                json!({"title": name, "description": format!("Defined at {url}")})
            } else {
                panic!("no schema of {name}: add it to a table of tests/openrpc/schema.rs")
            };
            self.named.insert(name.to_owned(), schema);
        }
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    fn object(&mut self, item: &ItemStruct, arguments: &Arguments) -> Value {
        let camel = is_camel(&texts(&item.attrs, "serde"), "rename_all");
        let (mut object, flattened) = self.members(&item.fields, camel, arguments);
        describe(&mut object, &docs(&item.attrs));
        if flattened.is_empty() {
            return object;
        }
        let all: Vec<Value> = flattened.into_iter().chain([object]).collect();
        json!({"allOf": all})
    }

    /// An object of some fields, and what is flattened into it.
    fn members(
        &mut self,
        fields: &Fields,
        camel: bool,
        arguments: &Arguments,
    ) -> (Value, Vec<Value>) {
        let (mut members, mut required, mut flattened) = (Map::new(), Vec::new(), Vec::new());
        for field in fields {
            let serde = texts(&field.attrs, "serde");
            let mut schema = self.schema(&field.ty, arguments);
            if serde.contains_key("flatten") {
                flattened.push(schema);
                continue;
            }
            let ident = field.ident.as_ref().expect("a field with a name").to_string();
            let name = member_name(&ident, &serde, camel);
            if !serde.contains_key("skip_serializing_if") {
                required.push(name.clone());
            } else if parts(&field.ty).0 == "Option" {
                schema = self.schema(&parts(&field.ty).1[0], arguments);
            }
            describe(&mut schema, &docs(&field.attrs));
            members.insert(name, schema);
        }
        (json!({"type": "object", "properties": members, "required": required}), flattened)
    }

    fn choice(&mut self, item: &ItemEnum, arguments: &Arguments) -> Value {
        let serde = texts(&item.attrs, "serde");
        let (camel, camel_fields) =
            (is_camel(&serde, "rename_all"), is_camel(&serde, "rename_all_fields"));
        let tag = serde.get("tag");
        assert!(
            tag.is_some() || serde.contains_key("untagged"),
            "{}: an enum without tag has no schema here",
            item.ident
        );
        let mut options = Vec::new();
        for variant in &item.variants {
            let mut option = match &variant.fields {
                Fields::Unnamed(fields) => self.schema(&fields.unnamed[0].ty, arguments),
                fields => self.members(fields, camel_fields, arguments).0,
            };
            if let Some(tag) = tag {
                let name = variant.ident.to_string();
                let name = if camel { name[..1].to_lowercase() + &name[1..] } else { name };
                option["properties"][tag] = json!({ "const": name });
                if let Some(required) = option["required"].as_array_mut() {
                    required.push(json!(tag));
                }
            }
            describe(&mut option, &docs(&variant.attrs));
            options.push(option);
        }
        json!({"oneOf": options, "description": docs(&item.attrs)})
    }
}

/// The name of a type without its path, and its arguments.
pub fn parts(ty: &Type) -> (String, Vec<Type>) {
    let Type::Path(path) = ty else { panic!("a type without a name") };
    let last = path.path.segments.last().expect("a segment");
    let inner = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => arguments
            .args
            .iter()
            .filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty.clone()),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    (last.ident.to_string(), inner)
}

/// The name of a field in JSON.
pub fn member_name(ident: &str, serde: &BTreeMap<String, String>, camel: bool) -> String {
    match serde.get("rename") {
        Some(name) => name.clone(),
        None if camel => camel_case(ident),
        None => ident.to_owned(),
    }
}

pub fn is_camel(serde: &BTreeMap<String, String>, member: &str) -> bool {
    serde.get(member).is_some_and(|case| case == "camelCase")
}

pub fn camel_case(ident: &str) -> String {
    let mut words = ident.split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        name.extend(word.chars().take(1).flat_map(char::to_uppercase));
        name.push_str(word.get(1..).unwrap_or_default());
    }
    name
}

fn simple(name: &str) -> Option<Value> {
    let hex = |pattern: &str, about: &str| json!({"type": "string", "pattern": pattern, "description": about});
    Some(match name {
        "Address" => hex("^0x[0-9a-fA-F]{40}$", "20 bytes"),
        "B256" => hex("^0x[0-9a-fA-F]{64}$", "32 bytes"),
        "Bytes" => hex("^0x([0-9a-fA-F]{2})*$", "bytes"),
        "U64" | "U256" | "Index" => hex("^0x(0|[1-9a-fA-F][0-9a-fA-F]*)$", "a quantity"),
        "BlockNumberOrTag" => json!({
            "type": "string",
            "description": "a quantity, or earliest, latest, pending, safe, finalized",
        }),
        "LenientBlockNumberOrTag" => json!({
            "type": ["string", "integer"],
            "description": "a number, a quantity, or earliest, latest, pending, safe, finalized",
        }),
        "JsonStorageKey" => json!({"type": "string", "description": "a slot, up to 32 bytes"}),
        "FilterId" => json!({"type": "string", "description": "the id of a filter"}),
        "String" => json!({"type": "string"}),
        "bool" => json!({"type": "boolean"}),
        "i32" => json!({"type": "integer"}),
        "u8" | "u16" | "u32" | "u64" | "usize" => json!({"type": "integer", "minimum": 0}),
        "f64" => json!({"type": "number"}),
        // Checked by the method itself, which names what is wrong.
        "Value" | "RawValue" => json!({}),
        _ => return None,
    })
}

fn describe(schema: &mut Value, docs: &str) {
    if docs.is_empty() {
        return;
    }
    if schema.get("$ref").is_some() {
        *schema = json!({"allOf": [schema.take()]});
    }
    schema["description"] = json!(docs);
}

fn is_generic(generics: &Generics) -> bool {
    generics.type_params().next().is_some()
}

/// What the parameters of a generic type stand for, given or by default.
fn arguments(generics: &Generics, given: &[Type]) -> Arguments {
    let parameters = generics.type_params().enumerate().map(|(index, parameter)| {
        let argument = given.get(index).cloned().or_else(|| parameter.default.clone());
        (parameter.ident.to_string(), argument.expect("an argument or a default"))
    });
    parameters.collect()
}
