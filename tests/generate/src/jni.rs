//! The Rust side of the Java binding, and the classes that declare its native methods.
//!
//! A native method is an associated function of a type `Native…` of the bridge: its parameters and what it gives back are its
//! Java types, its documentation is the Javadoc. A `Result` of the bridge's own `Failure` throws `IOException`, unless the
//! documentation says what it throws; one of JNI's own errors throws nothing that is declared.

use std::collections::BTreeMap;

use quote::ToTokens;
use syn::{FnArg, ImplItem, ImplItemFn, Item, Pat, ReturnType, Type};

use crate::docs::{camel, filled};
use crate::java::{self, components, javadoc};
use crate::records::RECORDS;
use crate::source::{Sources, docs, inner, last};
use crate::{Written, header};

pub const FOLDER: &str = "java-bindings/src/generated/";

/// More would be given in the wrong order one day; what is asked for is packed (`Packed.java`).
const MOST_ARGUMENTS: usize = 5;

/// `impl Pack` for the reports.
pub fn reports(core: &Sources) -> Written {
    let mut text = header("//", "the reports in core/src or the records in tests/generate/src");
    text += "//! Packs reports, in the order in which `Reports.java` reads them.\n\n";
    text += "use jni::errors::Result;\n\nuse crate::packed::{Pack, Packer};\n";
    for record in RECORDS {
        let of = record.packed.map_or_else(|| format!("zcio::{}", record.rust), str::to_owned);
        let values: String =
            components(core, record).iter().map(|component| format!("{}.pack(to)?;\n", component.value)).collect();
        text += &format!(
            "\nimpl Pack for {of} {{ fn pack(&self, to: &mut Packer<'_, '_>) -> Result<()> {{ {values} Ok(()) }} }}\n"
        );
    }
    (format!("{FOLDER}reports.rs"), text)
}

/// A class with native methods.
struct Class {
    name: String,
    docs: String,
    /// The type in Rust.
    path: String,
    natives: Vec<ImplItemFn>,
    /// In Java.
    constants: Vec<String>,
}

/// Every type `Native…` of the bridge.
fn classes(bridge: &Sources) -> Vec<Class> {
    let mut classes: BTreeMap<String, Class> = BTreeMap::new();
    let sources = bridge.files.iter().filter(|(path, _)| !path.starts_with("generated/"));
    for (path, file) in sources.clone() {
        for item in &file.items {
            if let Item::Enum(item) = item
                && item.ident.to_string().starts_with("Native")
            {
                let name = item.ident.to_string();
                let module = path.trim_end_matches(".rs").replace('/', "::");
                let path = if module == "lib" { format!("crate::{name}") } else { format!("crate::{module}::{name}") };
                let (docs, name) = (docs(&item.attrs), name.clone());
                let class = Class { name: name.clone(), docs, path, natives: Vec::new(), constants: Vec::new() };
                assert!(classes.insert(name, class).is_none(), "{} is there already", item.ident);
            }
        }
    }
    // The file that declares the type comes first, then those that have more of it.
    for (path, file) in sources {
        for item in &file.items {
            let Item::Impl(block) = item else { continue };
            let Some(class) = last(&block.self_ty).and_then(|name| classes.get_mut(&name)) else { continue };
            for item in &block.items {
                match item {
                    ImplItem::Fn(function) => class.natives.push(function.clone()),
                    ImplItem::Const(constant) => class.constants.push(java_constant(constant)),
                    _ => panic!("{path}: neither a function nor a constant"),
                }
            }
        }
    }
    classes.into_values().collect()
}

fn java_constant(constant: &syn::ImplItemConst) -> String {
    let ty = if last(&constant.ty).as_deref() == Some("jlong") { "long" } else { "int" };
    let value = constant.expr.to_token_stream().to_string().replace(' ', "");
    // Rust says 0o for octal numbers.
    let value = value.replace("0o", "0");
    let docs = javadoc("    ", &[docs(&constant.attrs).replace('\n', " ")], &[]);
    format!("{docs}    static final {ty} {} = {value};\n", constant.ident)
}

/// A parameter or result: its type in Rust, for the macro that binds it, and in Java.
struct Kind {
    rust: String,
    bound: String,
    java: String,
    by_reference: bool,
}

fn kind(ty: &Type) -> Kind {
    let (ty, by_reference) = match ty {
        Type::Reference(reference) => (&*reference.elem, true),
        ty => (ty, false),
    };
    let name = last(ty).unwrap_or_default();
    let element = inner(ty).first().and_then(last).unwrap_or_default();
    let (rust, bound, java) = match (name.as_str(), element.as_str()) {
        ("", _) => ("()", "void", "void"),
        ("jlong", _) => ("jlong", "long", "long"),
        ("jint", _) => ("jint", "int", "int"),
        ("jboolean" | "bool", _) => ("jboolean", "boolean", "boolean"),
        ("JString", _) => ("JString<'local>", "java.lang.String", "String"),
        ("JObject", _) => ("JObject<'local>", "java.lang.Object", "Object"),
        ("JClass", _) => ("JClass<'local>", "java.lang.Class", "Class<?>"),
        ("JByteBuffer", _) => ("JByteBuffer<'local>", "java.nio.ByteBuffer", "ByteBuffer"),
        ("JByteArray", _) => ("JByteArray<'local>", "[byte]", "byte[]"),
        ("JIntArray", _) => ("JIntArray<'local>", "[int]", "int[]"),
        ("JLongArray", _) => ("JLongArray<'local>", "[long]", "long[]"),
        ("JObjectArray", "JString") => ("JObjectArray<'local, JString<'local>>", "[java.lang.String]", "String[]"),
        ("JObjectArray", "") => ("JObjectArray<'local>", "[java.lang.Object]", "Object[]"),
        ("LongPredicate", _) => ("JObject<'local>", "java.util.function.LongPredicate", "LongPredicate"),
        ("SocketChannel", _) => ("JObject<'local>", "java.nio.channels.SocketChannel", "SocketChannel"),
        ("FileChannel", _) => ("JObject<'local>", "java.nio.channels.FileChannel", "FileChannel"),
        ("MappedByteBuffer", _) => ("JObject<'local>", "java.nio.MappedByteBuffer", "MappedByteBuffer"),
        ("MethodHandle", _) => ("JObject<'local>", "java.lang.invoke.MethodHandle", "MethodHandle"),
        ("MethodType", _) => ("JObject<'local>", "java.lang.invoke.MethodType", "MethodType"),
        _ => panic!("no Java type for {}", ty.to_token_stream()),
    };
    Kind { rust: rust.into(), bound: bound.into(), java: java.into(), by_reference }
}

/// What a function needs of JNI, its parameters, its result, and how that fails.
struct Signature {
    /// Gets no environment, and is not watched for panics.
    raw: bool,
    env: bool,
    parameters: Vec<(String, Kind)>,
    result: Kind,
    failure: Fails,
}

#[derive(PartialEq)]
enum Fails {
    Never,
    /// With the bridge's own failure.
    Failure,
    /// JNI itself.
    Jni,
}

fn signature(function: &ImplItemFn) -> Signature {
    let mut signature = Signature {
        raw: false,
        env: false,
        parameters: Vec::new(),
        result: kind(&Type::Verbatim(proc_macro2::TokenStream::new())),
        failure: Fails::Never,
    };
    for input in &function.sig.inputs {
        let FnArg::Typed(input) = input else { panic!("a native method has no receiver") };
        let Pat::Ident(name) = &*input.pat else { panic!("a parameter has a name") };
        let name = name.ident.to_string();
        let name = name.trim_start_matches('_');
        match name {
            "env" if last(&input.ty).as_deref() == Some("EnvUnowned") => signature.raw = true,
            "env" => signature.env = true,
            "class" if signature.raw => {}
            _ => signature.parameters.push((name.to_owned(), kind(&input.ty))),
        }
    }
    if let ReturnType::Type(_, ty) = &function.sig.output {
        if last(ty).as_deref() == Some("Result") {
            let arguments = inner(ty);
            signature.failure = if arguments.len() == 2 { Fails::Failure } else { Fails::Jni };
            signature.result = kind(arguments.first().expect("a result of something"));
        } else {
            signature.result = kind(ty);
        }
    }
    signature
}

/// The native methods: what binds them, and the Java classes.
pub fn natives(bridge: &Sources) -> Vec<Written> {
    let classes = classes(bridge);
    let mut text = header("//", "the functions of the types `Native…` in java-bindings/src");
    text += "//! Binds the native methods: each is a function of the type that has the name of its class.\n
        #![allow(unsafe_code)] // The macro's.
        // They take what the JVM gives, by value, and answer alike.
        #![allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps, clippy::wildcard_imports)]\n
        use jni::objects::{JByteArray, JByteBuffer, JClass, JIntArray, JLongArray, JObject, JObjectArray, JString};
        use jni::sys::{jboolean, jint, jlong};
        use jni::{Env, NativeMethod};

        use crate::errors::Failure;
        use crate::natives::native;

        /// The methods of a class, by its name without the package.
        pub(crate) fn methods(class: &str) -> &'static [NativeMethod<'static>] {
            match class {\n";
    for class in &classes {
        text += &format!("\"{}\" => {}::METHODS,", class.name, crate::docs::snake(&class.name));
    }
    text += "_ => unreachable!(\"no class with native methods: {class}\"),\n}\n}\n";
    let mut files = Vec::new();
    for class in &classes {
        text += &bound(class);
        files.push(java_class(class));
    }
    files.push((format!("{FOLDER}natives.rs"), text));
    files
}

fn bound(class: &Class) -> String {
    let (mut functions, mut methods) = (String::new(), String::new());
    for function in &class.natives {
        let name = function.sig.ident.to_string();
        let Signature { raw, env, parameters, result, failure } = signature(function);
        assert!(
            parameters.len() <= MOST_ARGUMENTS,
            "{}.{name} takes {} arguments: more than {MOST_ARGUMENTS} are packed into one (Packed.java)",
            class.name,
            parameters.len()
        );
        let path = format!("{}::{name}", class.path);
        let types: Vec<_> = parameters.iter().map(|(name, kind)| format!("{name}: {}", kind.bound)).collect();
        let types = format!("({}) -> {}", types.join(", "), result.bound);
        if raw {
            methods += &format!("native!(raw fn {name}{types}, fn = {path}),\n");
            continue;
        }
        methods += &format!("native!(fn {name}{types}),\n");
        let given: Vec<_> = parameters.iter().map(|(name, kind)| format!("{name}: {}", kind.rust)).collect();
        let mut arguments = if env { vec!["env".to_owned()] } else { Vec::new() };
        arguments.extend(
            parameters.iter().map(|(name, kind)| if kind.by_reference { format!("&{name}") } else { name.clone() }),
        );
        let call = format!("{path}({})", arguments.join(", "));
        let body = match failure {
            Fails::Failure => call,
            Fails::Jni => format!("Ok({call}?)"),
            Fails::Never if result.bound == "void" => format!("{call}; Ok(())"),
            Fails::Never => format!("Ok({call})"),
        };
        functions += &format!(
            "fn {name}<'local>({}env: &mut Env<'local>, _class: JClass<'local>, {}) -> Result<{}, Failure> {{ {body} }}\n\n",
            if env { "" } else { "_" },
            given.join(", "),
            result.rust
        );
    }
    format!(
        "\nmod {} {{\nuse super::*;\n\n{functions} pub const METHODS: &[NativeMethod<'_>] = &[{methods}];\n}}\n",
        crate::docs::snake(&class.name)
    )
}

fn java_class(class: &Class) -> Written {
    let name = &class.name;
    let paragraphs = crate::docs::paragraphs(&class.docs, &|text| format!("{{@code {text}}}"));
    let mut body = javadoc("", &paragraphs, &[]);
    body += &format!("final class {name} {{\n");
    for constant in &class.constants {
        body += &format!("{constant}\n");
    }
    body += &format!(
        "    static {{\n        NativeLibrary.bind({name}.class, \"{name}\");\n    }}\n\n    private {name}() {{}}\n"
    );
    for function in &class.natives {
        let Signature { parameters, result, failure, .. } = signature(function);
        body.push('\n');
        let mut throws = if failure == Fails::Failure { "IOException" } else { "" };
        let docs = docs(&function.attrs);
        let (mut text, mut tail) = (Vec::new(), Vec::<String>::new());
        for line in docs.lines() {
            if let Some(tag) = line.strip_prefix("@throws ") {
                throws = tag.split(' ').next().expect("a class");
            }
            if line.starts_with('@') || !tail.is_empty() {
                tail.push(line.to_owned());
            } else {
                text.push(line);
            }
        }
        let code = |text: &str| format!("{{@code {text}}}");
        let text = crate::docs::paragraphs(&text.join("\n"), &code);
        let tail: Vec<_> = tail
            .join("\n")
            .split("\n@")
            .filter(|tag| !tag.is_empty())
            .map(|tag| format!("@{}", tag.trim_start_matches('@').replace('\n', " ")))
            .flat_map(|tag| filled(&tag, "     * ", "     *     "))
            .collect();
        if !text.is_empty() {
            body += &javadoc("    ", &text, &tail);
        }
        let parameters: Vec<_> =
            parameters.iter().map(|(name, kind)| format!("{} {}", kind.java, camel(name))).collect();
        let throws = if throws.is_empty() { String::new() } else { format!(" throws {throws}") };
        let native = camel(&function.sig.ident.to_string());
        let line = format!("    static native {} {native}({}){throws};", result.java, parameters.join(", "));
        body += &if line.len() <= 120 {
            format!("{line}\n")
        } else {
            let second = format!("            {}){throws};", parameters.join(", "));
            let second = if second.len() <= 120 { second } else { second.replace(" throws ", "\n            throws ") };
            format!("    static native {} {native}(\n{second}\n", result.java)
        };
    }
    body += "}\n";
    java::file(name, "the functions of that type in java-bindings/src", java::IMPORTS, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bridge(parameters: &str) -> Sources {
        let text = format!("enum NativeThing {{}} impl NativeThing {{ fn call({parameters}) {{}} }}");
        let files = [("thing.rs".to_owned(), syn::parse_file(&text).unwrap())];
        Sources { files: files.into() }
    }

    #[test]
    fn five_arguments_are_bound() {
        natives(&bridge("env: &mut Env<'_>, a: jlong, b: jlong, c: jlong, d: jlong, e: jlong"));
    }

    #[test]
    #[should_panic(expected = "NativeThing.call takes 6 arguments")]
    fn six_are_refused() {
        natives(&bridge("a: jlong, b: jlong, c: jlong, d: jlong, e: jlong, f: jlong"));
    }
}
