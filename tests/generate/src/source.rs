//! The Rust sources that declare: read with `syn`, their public types and methods by name.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use syn::{Attribute, Expr, Fields, ImplItem, Item, Lit, Meta, Token, Type};

/// The items of a crate.
pub struct Sources {
    /// By their paths in the crate, in alphabetical order.
    pub files: BTreeMap<String, syn::File>,
}

/// A struct's field, an enum's constant, or a method without arguments.
#[derive(Clone)]
pub struct Member {
    pub name: String,
    pub docs: String,
    pub ty: Option<Type>,
}

impl Sources {
    /// All of a crate.
    pub fn read(folder: &Path) -> Self {
        let (mut files, mut folders) = (BTreeMap::new(), vec![folder.to_path_buf()]);
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next).expect("a folder").map(|entry| entry.expect("can be read").path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else if entry.extension().is_some_and(|end| end == "rs") {
                    let name = entry.strip_prefix(folder).expect("in it").display().to_string();
                    let text = fs::read_to_string(&entry).expect("text");
                    let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
                    files.insert(name, file);
                }
            }
        }
        Self { files }
    }

    fn items(&self) -> impl Iterator<Item = &Item> {
        self.files.values().flat_map(|file| &file.items)
    }

    /// The documentation and the public fields of a public struct that other languages have as well. A number is a field by
    /// itself.
    pub fn record(&self, name: &str) -> (String, Vec<Member>) {
        if name == "usize" {
            let number = Member { name: "self".into(), docs: String::new(), ty: Some(syn::parse_quote!(usize)) };
            return (String::new(), vec![number]);
        }
        let found = self.items().find_map(|item| match item {
            Item::Struct(item) if item.ident == name && matches!(item.vis, syn::Visibility::Public(_)) => Some(item),
            _ => None,
        });
        let found = found.unwrap_or_else(|| panic!("no struct {name}"));
        let Fields::Named(fields) = &found.fields else { panic!("{name} has no named fields") };
        let fields = fields.named.iter().map(|field| Member {
            name: field.ident.as_ref().expect("named").to_string(),
            docs: docs(&field.attrs),
            ty: Some(field.ty.clone()),
        });
        (docs(&found.attrs), fields.collect())
    }

    /// The constants of a public enum; or of one that a macro makes of a table, whose lines begin `Constant = "name"`; or of a
    /// set of bits. Each with its documentation.
    pub fn constants(&self, name: &str) -> (String, Vec<Member>) {
        let of =
            |name: &syn::Ident, attrs: &[Attribute]| Member { name: name.to_string(), docs: docs(attrs), ty: None };
        let plain = self.items().find_map(|item| match item {
            Item::Enum(item) if item.ident == name => {
                let constants = item.variants.iter().map(|variant| of(&variant.ident, &variant.attrs));
                Some((docs(&item.attrs), constants.collect()))
            }
            _ => None,
        });
        plain.or_else(|| self.table(name)).or_else(|| self.bits(name)).unwrap_or_else(|| panic!("no enum {name}"))
    }

    /// A call of the macro that is defined in the same file and whose definition has `pub enum Name`.
    fn table(&self, name: &str) -> Option<(String, Vec<Member>)> {
        let wanted = format!("pub enum {name} ");
        let file = self.files.values().find(|file| {
            file.items.iter().any(|item| {
                matches!(item, Item::Macro(item)
                if item.ident.is_some() && item.mac.tokens.to_string().contains(&wanted))
            })
        })?;
        let (mut definition, mut call) = (None, None);
        for item in &file.items {
            if let Item::Macro(item) = item {
                *(if item.ident.is_some() { &mut definition } else { &mut call }) = Some(&item.mac);
            }
        }
        let constants = call?.parse_body_with(|input: syn::parse::ParseStream<'_>| {
            let mut found = Vec::new();
            while !input.is_empty() {
                let attrs = input.call(Attribute::parse_outer)?;
                let mut ident: syn::Ident = input.parse()?;
                let mut said = docs(&attrs);
                let elsewhere = input.peek(Token![::]);
                if elsewhere {
                    input.parse::<Token![::]>()?;
                    ident = input.parse()?;
                    said = self.definition(&ident);
                }
                found.push(Member { name: ident.to_string(), docs: said, ty: None });
                while !(input.is_empty() || input.peek(Token![#]) || elsewhere && input.peek(syn::Ident)) {
                    input.parse::<proc_macro2::TokenTree>()?;
                }
            }
            Ok(found)
        });
        Some((String::new(), constants.expect("a table")))
    }

    /// The documentation in the call of the macro `mechanism` that begins with that type.
    fn definition(&self, name: &syn::Ident) -> String {
        let calls = self.items().filter_map(|item| match item {
            Item::Macro(item) if item.mac.path.is_ident("mechanism") => Some(&item.mac),
            _ => None,
        });
        let mut found = calls.filter_map(|call| {
            let parse = |input: syn::parse::ParseStream<'_>| {
                let (attrs, ident) = (input.call(Attribute::parse_outer)?, input.parse::<syn::Ident>()?);
                input.parse::<proc_macro2::TokenStream>()?;
                Ok((ident, docs(&attrs)))
            };
            let (ident, docs) = call.parse_body_with(parse).expect("a definition");
            (ident == *name).then_some(docs)
        });
        found.next().unwrap_or_else(|| panic!("no definition of {name}"))
    }

    /// Associated constants of that type, but the empty one.
    fn bits(&self, name: &str) -> Option<(String, Vec<Member>)> {
        let constants = self.methods_of(name).into_iter().filter_map(|item| match item {
            ImplItem::Const(item) if item.ident != "NONE" => {
                Some(Member { name: item.ident.to_string(), docs: docs(&item.attrs), ty: None })
            }
            _ => None,
        });
        Some((String::new(), constants.collect())).filter(|(_, constants): &(_, Vec<_>)| !constants.is_empty())
    }

    /// What stands in the inherent `impl` blocks of a type.
    pub fn methods_of(&self, name: &str) -> Vec<&ImplItem> {
        let blocks = self.items().filter_map(|item| match item {
            Item::Impl(item) if item.trait_.is_none() && last(&item.self_ty).as_deref() == Some(name) => Some(item),
            _ => None,
        });
        blocks.flat_map(|block| &block.items).collect()
    }

    /// A method by its name.
    pub fn method(&self, of: &str, name: &str) -> &syn::ImplItemFn {
        let found = self.methods_of(of).into_iter().find_map(|item| match item {
            ImplItem::Fn(item) if item.sig.ident == name => Some(item),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no method {of}::{name}"))
    }
}

/// The last segment of a path.
pub fn last(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

/// `T` of `Name<T>`.
pub fn inner(ty: &Type) -> Vec<Type> {
    let Type::Path(path) = ty else { return Vec::new() };
    let Some(segment) = path.path.segments.last() else { return Vec::new() };
    let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments else { return Vec::new() };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        syn::GenericArgument::Type(ty) => Some(ty.clone()),
        _ => None,
    });
    types.collect()
}

/// Documentation as it is written, a line each.
pub fn docs(attrs: &[Attribute]) -> String {
    let lines = attrs.iter().filter_map(|attr| match &attr.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<_> = lines.map(|line| line.strip_prefix(' ').map(str::to_owned).unwrap_or(line)).collect();
    lines.join("\n")
}
