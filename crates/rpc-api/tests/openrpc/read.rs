//! Reads traits and types out of the source.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};
use syn::{
    Attribute, Expr, ExprLit, FnArg, Ident, Item, ItemEnum, ItemStruct, ItemTrait, Lit, LitStr,
    Meta, Pat, ReturnType, Token, TraitItem, Type, parse::ParseStream,
};

/// All namespaces and all types of the crate.
pub struct Interface {
    pub namespaces: BTreeMap<String, Namespace>,
    pub structs: BTreeMap<String, ItemStruct>,
    pub enums: BTreeMap<String, ItemEnum>,
    pub aliases: BTreeMap<String, Type>,
}

/// The methods of a namespace, trait by trait.
#[derive(Default)]
pub struct Namespace {
    /// What its files say about it after their first paragraph, which names it.
    pub docs: String,
    pub parts: Vec<Part>,
}

/// One trait.
pub struct Part {
    pub docs: String,
    pub methods: Vec<Method>,
}

/// One method.
pub struct Method {
    /// With its namespace.
    pub name: String,
    pub docs: String,
    pub params: Vec<(String, Type)>,
    /// `None` for a subscription, whose answer is its id.
    pub result: Option<Type>,
}

impl Interface {
    /// Reads every file of a folder.
    pub fn read(folder: &Path) -> Self {
        let mut interface = Self {
            namespaces: BTreeMap::new(),
            structs: BTreeMap::new(),
            enums: BTreeMap::new(),
            aliases: BTreeMap::new(),
        };
        let mut files: Vec<_> = fs::read_dir(folder)
            .expect("src")
            .map(|entry| entry.expect("entry").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
            .collect();
        files.sort();
        for file in files {
            let text = fs::read_to_string(&file).expect("source");
            let parsed = syn::parse_file(&text).expect("Rust");
            let about = docs(&parsed.attrs);
            let about = about.split_once("\n\n").map_or("", |(_, rest)| rest);
            let names = parsed.items.into_iter().filter_map(|item| interface.add(item));
            let names: BTreeSet<String> = names.collect();
            for name in names {
                interface.namespaces.entry(name).or_default().docs.push_str(about);
            }
        }
        interface
    }

    /// Adds an item; gives the namespace of a trait.
    fn add(&mut self, item: Item) -> Option<String> {
        match item {
            Item::Struct(item) => {
                self.structs.insert(item.ident.to_string(), item);
            }
            Item::Enum(item) => {
                self.enums.insert(item.ident.to_string(), item);
            }
            Item::Type(item) => {
                self.aliases.insert(item.ident.to_string(), *item.ty);
            }
            Item::Trait(item) => {
                if let Some(namespace) = texts(&item.attrs, "rpc").remove("namespace") {
                    let part = part(&namespace, item);
                    self.namespaces.entry(namespace.clone()).or_default().parts.push(part);
                    return Some(namespace);
                }
            }
            _ => {}
        }
        None
    }
}

fn part(namespace: &str, item: ItemTrait) -> Part {
    let mut methods = Vec::new();
    for function in item.items {
        let TraitItem::Fn(function) = function else { continue };
        let params: Vec<_> = function.sig.inputs.iter().filter_map(parameter).collect();
        let docs = docs(&function.attrs);
        let method = |name: &str, docs: &str, params, result| Method {
            name: format!("{namespace}_{name}"),
            docs: docs.to_owned(),
            params,
            result,
        };
        if let Some(name) = texts(&function.attrs, "method").get("name") {
            methods.push(method(name, &docs, params, Some(result(&function.sig.output))));
            continue;
        }
        let names = texts(&function.attrs, "subscription");
        if let (Some(name), Some(end)) = (names.get("name"), names.get("unsubscribe")) {
            methods.push(method(name, &docs, params, None));
            let id = vec![("id".to_owned(), parse("String"))];
            methods.push(method(end, "Ends a subscription.", id, Some(parse("bool"))));
        }
    }
    Part { docs: self::docs(&item.attrs), methods }
}

fn parse(text: &str) -> Type {
    syn::parse_str(text).expect("a type")
}

fn parameter(argument: &FnArg) -> Option<(String, Type)> {
    let FnArg::Typed(argument) = argument else { return None };
    let Pat::Ident(name) = &*argument.pat else { panic!("a parameter without a name") };
    Some((name.ident.to_string(), (*argument.ty).clone()))
}

fn result(output: &ReturnType) -> Type {
    match output {
        ReturnType::Type(_, ty) => (**ty).clone(),
        ReturnType::Default => panic!("a method without an answer"),
    }
}

/// The documentation of an item, links as plain code.
pub fn docs(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<_> =
        lines.map(|line| line.strip_prefix(' ').unwrap_or(&line).to_owned()).collect();
    lines.join("\n").replace("[`", "`").replace("`]", "`").trim().to_owned()
}

/// The members `name = "text"` of the attribute `attribute(…)`; members without a text are there with
/// an empty one.
pub fn texts(attributes: &[Attribute], attribute: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for attribute in attributes.iter().filter(|it| it.path().is_ident(attribute)) {
        let parsed = attribute.parse_args_with(|input: ParseStream<'_>| members(input, &mut found));
        parsed.expect("an attribute of names and texts");
    }
    found
}

fn members(input: ParseStream<'_>, found: &mut BTreeMap<String, String>) -> syn::Result<()> {
    while !input.is_empty() {
        let name: Ident = input.call(syn::ext::IdentExt::parse_any)?;
        let mut text = String::new();
        if input.peek(syn::token::Paren) {
            let _group: proc_macro2::Group = input.parse()?;
        } else if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            if input.peek(LitStr) {
                text = input.parse::<LitStr>()?.value();
                // `name = "subscribe" => "subscription"`
                if input.peek(Token![=>]) {
                    input.parse::<Token![=>]>()?;
                    input.parse::<LitStr>()?;
                }
            } else if input.peek(syn::token::Bracket) {
                // Aliases: the document has each method under one name.
                let _group: proc_macro2::Group = input.parse()?;
            } else {
                input.parse::<Type>()?;
            }
        }
        found.insert(name.to_string(), text);
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(())
}
