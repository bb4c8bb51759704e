//! `_zcio.pyi`: what the native module offers, with its documentation, so that editors and type checkers see it.
//!
//! Names, defaults and documentation are those of the functions and classes in `python-bindings/src`; types too, where Rust
//! has them. What is any object there has a type in `types.rs`, by its name, or by its function and name.

use quote::ToTokens;
use syn::{Attribute, FnArg, ImplItem, ImplItemFn, Item, ItemStruct, Meta, Pat, ReturnType, Signature, Type};

use crate::docs::filled;
use crate::source::{Sources, docs, inner, last};
use crate::types::{CONSTANTS, HIDDEN, IMPORTS, TYPES, VERBATIM};
use crate::{Written, header};

pub fn stubs(bridge: &Sources) -> Written {
    let mut all: Vec<String> = CONSTANTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut body = String::new();
    for (name, ty) in CONSTANTS {
        body += &format!("{name}: Final[{ty}]\n");
    }
    let mut after_class = true;
    for (module, name) in exported(bridge) {
        let file = &bridge.files[&format!("{}.rs", module.replace("::", "/"))];
        match item(file, &name).unwrap_or_else(|| panic!("no {module}::{name}")) {
            Exported::Function(function) => {
                let text = one(&name, &name, &function.attrs, &function.sig, "", "");
                // Two of which one has a body stand apart.
                body += if after_class || text.ends_with("\"\"\"\n") { "\n" } else { "" };
                body += &text;
                after_class = false;
            }
            Exported::Class(item, methods) => {
                body += &format!("\n{}", class(&item, &methods));
                after_class = true;
            }
        }
        all.push(name);
    }
    all.sort_by_key(|name| (name.chars().any(char::is_lowercase), name.starts_with(char::is_lowercase), name.clone()));
    let mut head =
        header("#", "the functions and classes in python-bindings/src, or the types in tests/generate/src/types.rs")
            + "\nimport os\n";
    for (module, names) in IMPORTS {
        let used: Vec<_> = names.iter().copied().filter(|name| uses(&body, name)).collect();
        // Each kind of module apart: the standard library's, others', ours.
        head += if ["typing_extensions", "zcio._reports"].contains(module) { "\n" } else { "" };
        let line = format!("from {module} import {}\n", used.join(", "));
        head += &if line.len() <= 121 {
            line
        } else {
            format!("from {module} import (\n    {},\n)\n", used.join(",\n    "))
        };
    }
    let all: String = all.iter().map(|name| format!("    \"{name}\",\n")).collect();
    ("python-bindings/python/zcio/_zcio.pyi".into(), format!("{head}\n__all__ = [\n{all}]\n\n{body}"))
}

fn uses(body: &str, name: &str) -> bool {
    body.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|word| word == name)
}

/// What the module exports: the module of each and its name.
fn exported(bridge: &Sources) -> Vec<(String, String)> {
    let module = bridge.files["lib.rs"].items.iter().find_map(|item| match item {
        Item::Mod(module) if module.ident == "_zcio" => module.content.as_ref(),
        _ => None,
    });
    let mut found = Vec::new();
    for item in &module.expect("the module").1 {
        let Item::Use(item) = item else { continue };
        if !item.attrs.iter().any(|attr| attr.path().is_ident("pymodule_export")) {
            continue;
        }
        let path = item.tree.to_token_stream().to_string().replace(' ', "");
        let (module, names) = path.trim_start_matches("crate::").rsplit_once("::").expect("a path");
        for name in names.trim_matches(['{', '}']).split(',') {
            found.push((module.to_owned(), name.to_owned()));
        }
    }
    found
}

enum Exported {
    Function(syn::ItemFn),
    Class(ItemStruct, Vec<ImplItemFn>),
}

fn item(file: &syn::File, name: &str) -> Option<Exported> {
    let methods = |name: &str| {
        let blocks = file.items.iter().filter_map(|item| match item {
            Item::Impl(block) if last(&block.self_ty).as_deref() == Some(name) && has(&block.attrs, "pymethods") => {
                Some(block)
            }
            _ => None,
        });
        let items = blocks.flat_map(|block| &block.items).filter_map(|item| match item {
            ImplItem::Fn(function) => Some(function.clone()),
            _ => None,
        });
        items.collect()
    };
    file.items.iter().find_map(|item| match item {
        Item::Fn(function) if function.sig.ident == name && has(&function.attrs, "pyfunction") => {
            Some(Exported::Function(function.clone()))
        }
        Item::Struct(item) if item.ident == name && has(&item.attrs, "pyclass") => {
            Some(Exported::Class(item.clone(), methods(name)))
        }
        _ => None,
    })
}

fn has(attrs: &[Attribute], name: &str) -> bool {
    attrs.iter().any(|attr| attr.path().is_ident(name))
}

/// The text in the parentheses of an attribute.
fn list(attrs: &[Attribute], name: &str) -> Option<String> {
    attrs.iter().find_map(|attr| match &attr.meta {
        Meta::List(list) if attr.path().is_ident(name) => Some(list.tokens.to_string()),
        _ => None,
    })
}

fn class(item: &ItemStruct, methods: &[ImplItemFn]) -> String {
    let name = item.ident.to_string();
    let options = list(&item.attrs, "pyclass").unwrap_or_default();
    let option = |wanted: &str| options.split(',').any(|option| option.trim() == wanted);
    let base =
        options.split(',').find_map(|option| option.trim().strip_prefix("extends = ").map(|base| format!("({base})")));
    let decorator = if option("subclass") { "disjoint_base" } else { "final" };
    let mut members = Vec::new();
    let (constructors, others): (Vec<_>, Vec<_>) = methods.iter().partition(|method| has(&method.attrs, "new"));
    // One for what nobody else can make is none.
    let constructors =
        constructors.into_iter().filter(|method| !HIDDEN.contains(&&*format!("{name}.{}", method.sig.ident)));
    for method in constructors {
        let result = if option("subclass") { "Self" } else { &name };
        members.push(one(&format!("{name}.__new__"), "__new__", &method.attrs, &method.sig, "    ", result));
    }
    if let syn::Fields::Named(fields) = &item.fields {
        for field in &fields.named {
            if list(&field.attrs, "pyo3").is_some_and(|options| options == "get") {
                let field_name = field.ident.as_ref().expect("named").to_string();
                let ty = known(&format!("{name}.{field_name}.return")).unwrap_or_else(|| python(&field.ty, &name));
                members.push(property(&field_name, &ty, &docs(&field.attrs)));
            }
        }
    }
    for method in others {
        let method_name = method.sig.ident.to_string();
        let qualified = format!("{name}.{method_name}");
        if HIDDEN.contains(&method_name.as_str()) {
            continue;
        }
        if let Some((_, text)) = VERBATIM.iter().find(|(of, _)| *of == qualified) {
            members.push((*text).to_owned());
        } else if method_name == "__dataclass_fields__" {
            members.push("    __dataclass_fields__: ClassVar[dict[str, Field[object]]]\n".into());
        } else if method_name == "__getbuffer__" {
            members.push("    def __buffer__(self, flags: int, /) -> memoryview: ...\n".into());
        } else {
            members.push(one(&qualified, &method_name, &method.attrs, &method.sig, "    ", ""));
        }
    }
    if option("eq") {
        members.push("    def __eq__(self, other: object, /) -> bool: ...\n".into());
    }
    if option("hash") {
        members.push("    def __hash__(self) -> int: ...\n".into());
    }
    // In what follows it, `bytes` would be this.
    if let Some(own) = members.iter().position(|member| member.contains("    def bytes(self)"))
        && members.iter().any(|member| member.contains("-> bytes") || member.contains("| None, bytes]"))
    {
        let own = members.remove(own);
        members.push(own);
    }
    let docs = docstring(&docs(&item.attrs), "    ");
    let mut text = format!("@{decorator}\nclass {name}{}:\n{docs}", base.unwrap_or_default());
    let mut apart = !docs.is_empty();
    for member in members {
        // What has a body, and what follows it, stands apart.
        if apart {
            text.push('\n');
        }
        apart = member.ends_with("\"\"\"\n");
        text += &member;
    }
    text
}

fn property(name: &str, ty: &str, docs: &str) -> String {
    definition("    ", "@property\n", &format!("def {name}"), &["self".into()], ty, docs)
}

fn known(name: &str) -> Option<String> {
    TYPES.iter().find(|(of, _)| *of == name).map(|(_, ty)| (*ty).to_owned())
}

/// A function or method. `result` is that of a constructor.
fn one(qualified: &str, name: &str, attrs: &[Attribute], signature: &Signature, indent: &str, result: &str) -> String {
    let class = qualified.split('.').next().expect("a name");
    let mut types = Vec::new();
    let mut receiver = None;
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(_) => receiver = Some("self"),
            FnArg::Typed(input) => {
                let Pat::Ident(named) = &*input.pat else { panic!("{qualified}: a parameter has a name") };
                let parameter = named.ident.to_string();
                match parameter.trim_start_matches('_') {
                    "py" if last(&input.ty).as_deref() == Some("Python") => {}
                    "slf" => receiver = Some("self"),
                    "cls" => {}
                    parameter => types.push((parameter.to_owned(), (*input.ty).clone())),
                }
            }
        }
    }
    let plain = || types.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let given = attrs.iter().find_map(|attr| match &attr.meta {
        Meta::List(list) if attr.path().is_ident("pyo3") => {
            let text = list.tokens.to_string();
            let text = text.strip_prefix("signature = (")?.strip_suffix(')')?.to_owned();
            Some(text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect::<Vec<_>>())
        }
        _ => None,
    });
    let mut parameters = Vec::new();
    let mut decorator = "";
    if name == "__new__" {
        parameters.push("cls".to_owned());
    } else if has(attrs, "staticmethod") {
        decorator = "@staticmethod\n";
    } else if has(attrs, "classmethod") {
        decorator = "@classmethod\n";
        parameters.push("cls".to_owned());
    } else if let Some(receiver) = receiver {
        parameters.push(receiver.into());
    }
    if has(attrs, "getter") {
        decorator = "@property\n";
    }
    let by_signature = given.is_some();
    for part in given.unwrap_or_else(plain) {
        let (parameter, default) = part.split_once('=').map_or((part.as_str(), None), |(name, value)| {
            let value = match value.trim() {
                "true" => "True",
                "false" => "False",
                other => other,
            };
            (name.trim(), Some(value.to_owned()))
        });
        let bare = parameter.trim_start_matches('*').trim();
        if bare.is_empty() || parameter == "/" {
            parameters.push(parameter.into());
            continue;
        }
        let rust = types.iter().find(|(name, _)| name == bare).unwrap_or_else(|| panic!("{qualified}: no {bare}"));
        let own = known(&format!("{qualified}.{bare}"));
        let mut ty = own.or_else(|| known(bare)).unwrap_or_else(|| python(&rust.1, class));
        let optional = default.as_deref() == Some("None") || last(&rust.1).as_deref() == Some("Option");
        if optional && !ty.ends_with("| None") {
            ty += " | None";
        }
        let default = default.map(|value| format!(" = {value}")).unwrap_or_default();
        parameters.push(format!("{}: {ty}{default}", parameter.replace("* ", "*")));
    }
    if name.starts_with("__") && name != "__new__" && !by_signature && parameters.len() > 1 {
        parameters.push("/".into());
    }
    let returned = known(&format!("{qualified}.return"));
    let returned = if result.is_empty() { returned } else { Some(result.to_owned()) };
    let named = if has(attrs, "getter") { known(name) } else { None };
    let returned = returned.or(named).unwrap_or_else(|| match &signature.output {
        ReturnType::Default => "None".into(),
        ReturnType::Type(_, ty) => python(ty, class),
    });
    let overrides = ["SharedRegion.__reduce_ex__", "SharedRegion.open"].contains(&qualified);
    let text = definition(indent, decorator, &format!("def {name}"), &parameters, &returned, &docs(attrs));
    // A subclass that can do what its base refuses.
    if overrides { text.replacen(":\n", ":  # type: ignore[override]\n", 1) } else { text }
}

fn definition(indent: &str, decorator: &str, def: &str, parameters: &[String], result: &str, docs: &str) -> String {
    let docs = docstring(docs, &format!("{indent}    "));
    let end = if docs.is_empty() { " ...\n".to_owned() } else { format!("\n{docs}") };
    let decorator = if decorator.is_empty() { String::new() } else { format!("{indent}{decorator}") };
    let line = format!("{indent}{def}({}) -> {result}:", parameters.join(", "));
    let room = if docs.is_empty() { 116 } else { 120 };
    if line.chars().count() <= room {
        return format!("{decorator}{line}{end}");
    }
    let inside = format!("{indent}    {}", parameters.join(", "));
    if inside.chars().count() <= 120 {
        return format!("{decorator}{indent}{def}(\n{inside}\n{indent}) -> {result}:{end}");
    }
    let each: String = parameters.iter().map(|parameter| format!("{indent}    {parameter},\n")).collect();
    format!("{decorator}{indent}{def}(\n{each}{indent}) -> {result}:{end}")
}

/// The documentation that the module has.
fn docstring(docs: &str, indent: &str) -> String {
    let docs = docs.trim();
    if docs.is_empty() {
        return String::new();
    }
    let docs = docs.replace('\\', "\\\\");
    let (mut lines, mut first) = (Vec::new(), format!("{indent}\"\"\""));
    for paragraph in docs.split("\n\n") {
        lines.push(filled(&paragraph.replace('\n', " "), &first, indent).join("\n"));
        indent.clone_into(&mut first);
    }
    let text = lines.join("\n\n");
    let end = if text.contains('\n') { format!("\n{indent}") } else { String::new() };
    format!("{text}{end}\"\"\"\n")
}

/// The Python type of a Rust type.
fn python(ty: &Type, class: &str) -> String {
    let ty = match ty {
        Type::Reference(reference) => &*reference.elem,
        ty => ty,
    };
    if let Type::Tuple(tuple) = ty {
        if tuple.elems.is_empty() {
            return "None".into();
        }
        return format!("tuple[{}]", tuple.elems.iter().map(|ty| python(ty, class)).collect::<Vec<_>>().join(", "));
    }
    let name = last(ty).unwrap_or_default();
    let inside = || inner(ty).first().map(|ty| python(ty, class)).unwrap_or_default();
    match name.as_str() {
        "bool" => "bool".into(),
        "u8" | "u32" | "u64" | "usize" | "i32" | "i64" | "RawFd" => "int".into(),
        "f64" => "float".into(),
        "str" | "String" | "Cow" => "str".into(),
        "PyBytes" => "bytes".into(),
        "Self" => class.into(),
        "Vec" if inner(ty).first().and_then(last).as_deref() == Some("u8") => "bytes".into(),
        "PyResult" | "Bound" | "Py" | "PyRef" => inside(),
        "Option" => format!("{} | None", inside()),
        "PyAny" => "object".into(),
        "Region" | "Report" | "Attempt" | "Residency" | "SharedRegion" => name,
        _ => panic!("no Python type for {} in {class}: add one to TYPES", ty.to_token_stream()),
    }
}
