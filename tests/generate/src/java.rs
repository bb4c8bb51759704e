//! The Java side: enums, records, and what makes records of numbers and objects.

use quote::ToTokens;
use syn::Type;

use crate::classes::{call, written};
use crate::declaration::{ENUMS, JavaEnum, Record};
use crate::docs::{camel, filled, paragraphs, snake};
use crate::records::RECORDS;
use crate::source::{Member, Sources, inner, last};
use crate::{Written, header};

const FOLDER: &str = "java-bindings/zcio/src/main/java/io/zcio/";

/// A file of the package.
pub fn file(name: &str, instead: &str, imports: &[&str], body: &str) -> Written {
    let mut used: Vec<_> =
        imports.iter().filter(|import| uses(body, import.rsplit('.').next().expect("a name"))).collect();
    used.sort_unstable();
    used.dedup();
    let imports: String = used.iter().map(|import| format!("import {import};\n")).collect();
    let gap = if imports.is_empty() { "" } else { "\n" };
    (format!("{FOLDER}{name}.java"), format!("{}package io.zcio;\n\n{imports}{gap}{body}", header("//", instead)))
}

fn uses(body: &str, name: &str) -> bool {
    body.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == name)
}

pub const IMPORTS: &[&str] = &[
    "java.io.IOException",
    "java.lang.invoke.MethodHandle",
    "java.lang.invoke.MethodType",
    "java.nio.ByteBuffer",
    "java.nio.MappedByteBuffer",
    "java.nio.channels.FileChannel",
    "java.nio.channels.SocketChannel",
    "java.time.Duration",
    "java.util.Arrays",
    "java.util.List",
    "java.util.Locale",
    "java.util.Optional",
    "java.util.OptionalInt",
    "java.util.OptionalLong",
    "java.util.function.LongPredicate",
    "java.util.stream.Collectors",
];

/// What stands between backticks in Rust.
pub fn code(text: &str) -> String {
    if text == "None" {
        return "empty".into();
    }
    if let Some((of, constant)) = text.split_once("::")
        && let Some(java) = ENUMS.iter().find(|each| each.rust == of).map(|each| &each.java)
    {
        return format!("{{@link {}#{}}}", java.name, snake(constant).to_uppercase());
    }
    // A page of the manual needs no mark.
    if text.ends_with(')') {
        return text.into();
    }
    format!("{{@code {}}}", text.rsplit("::").next().expect("a name"))
}

/// Documentation as Javadoc. `tail` are lines that are ready.
pub fn javadoc(indent: &str, paragraphs: &[String], tail: &[String]) -> String {
    if let ([only], []) = (paragraphs, tail) {
        let line = format!("{indent}/** {only} */\n");
        if line.trim_end().chars().count() <= 120 {
            return line;
        }
    }
    let mut lines = Vec::new();
    for (index, paragraph) in paragraphs.iter().enumerate() {
        if index > 0 {
            lines.push(format!("{indent} *"));
        }
        let first = format!("{indent} * {}", if index > 0 { "<p>" } else { "" });
        lines.extend(filled(paragraph, &first, &format!("{indent} * ")));
    }
    if !tail.is_empty() {
        if !lines.is_empty() {
            lines.push(format!("{indent} *"));
        }
        lines.extend_from_slice(tail);
    }
    format!("{indent}/**\n{}\n{indent} */\n", lines.join("\n"))
}

pub fn enums(core: &Sources) -> Vec<Written> {
    ENUMS.iter().map(|each| java_enum(core, each.rust, &each.java)).collect()
}

fn java_enum(core: &Sources, rust: &str, java: &JavaEnum) -> Written {
    let (_, constants) = core.constants(rust);
    let names: Vec<_> = constants.iter().map(|constant| snake(&constant.name)).collect();
    // `dont_need`, as another constant calls it, is a constant here.
    let linked = |text: &str| {
        if names.iter().any(|name| name == text) { format!("{{@link #{}}}", text.to_uppercase()) } else { code(text) }
    };
    let mut body = javadoc("", &paragraphs(&java.description(), &linked), &[]);
    body += &format!("public enum {} {{\n", java.name);
    for (index, constant) in constants.iter().enumerate() {
        let other = java.constants.iter().find(|(name, _)| *name == constant.name).map(|(_, docs)| *docs);
        let docs = paragraphs(other.unwrap_or(&constant.docs), &linked);
        body += &javadoc("    ", &docs[..1], &[]);
        let end = if index + 1 < constants.len() {
            ","
        } else if java.named.is_some() {
            ";"
        } else {
            ""
        };
        body += &format!("    {}{end}\n", names[index].to_uppercase());
    }
    if let Some((method, thing)) = java.named {
        let example = &names[4.min(names.len() - 1)];
        body += &format!(
            "
    private final String name = name().toLowerCase(Locale.ROOT);

    /**
     * The stable lower-case name, such as {{@code \"{example}\"}}.
     *
     * @return the name
     */
    public String {method}() {{
        return name;
    }}
"
        );
        if java.found {
            body += &format!(
                "
    /**
     * The {thing} of that name.
     *
     * @param name a stable lower-case name
     * @return the {thing}
     * @throws IllegalArgumentException if there is none; the message lists the names
     */
    public static {name} of(String name) {{
        for ({name} {thing} : values()) {{
            if ({thing}.name.equals(name)) {{
                return {thing};
            }}
        }}
        String names = Arrays.stream(values()).map({name}::{method}).collect(Collectors.joining(\", \"));
        throw new IllegalArgumentException(\"unknown {thing} \\\"\" + name + \"\\\"; the {thing}s are \" + names);
    }}
",
                name = java.name
            );
        }
    }
    body += "}\n";
    file(java.name, &format!("{rust} in core/src"), IMPORTS, &body)
}

/// A field of a record as Java has it.
pub struct Component {
    pub name: String,
    pub docs: String,
    pub ty: Type,
    /// Its value in Rust, of `self`.
    pub value: String,
}

/// The fields of a record in Java: those of the core, with what the declaration has in their place.
pub fn components(core: &Sources, record: &Record) -> Vec<Component> {
    let (_, fields) = core.record(record.rust);
    let parse = |text: &str| syn::parse_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut found = Vec::new();
    for Member { name, docs, ty } in fields {
        let ty = ty.expect("a field has a type");
        let mut others = record.java.fields.iter().filter(|field| field.of == name).peekable();
        if others.peek().is_none() {
            found.push(Component { value: format!("self.{name}"), name, docs, ty });
            continue;
        }
        for other in others {
            let docs = if other.docs.is_empty() { docs.clone() } else { other.docs.to_owned() };
            found.push(Component { name: other.name.into(), docs, ty: parse(other.ty), value: other.value.into() });
        }
    }
    found
}

/// The Java type of a Rust type, and what reads it.
pub fn java_type(ty: &Type) -> (String, String) {
    let text = ty.to_token_stream().to_string().replace(' ', "");
    let known = match text.as_str() {
        "u64" => ("long", "in.number()"),
        "bool" => ("boolean", "in.flag()"),
        "String" | "&'staticstr" => ("String", "in.text()"),
        "Option<u64>" => ("OptionalLong", "in.optionalLong()"),
        "Option<u8>" | "Option<i32>" => ("OptionalInt", "in.optionalInt()"),
        "Duration" => ("Duration", "Duration.ofNanos(in.number())"),
        "Option<Error>" => ("Optional<Throwable>", "Optional.ofNullable((Throwable) in.object())"),
        "Mechanism" => ("Mechanism", "mechanism(in)"),
        "Option<Mechanism>" => ("Optional<Mechanism>", "Optional.ofNullable(mechanism(in))"),
        "KnownBy" => ("KnownBy", "KNOWN_BY.get((int) in.number())"),
        "CountedBy" => ("CountedBy", "COUNTED_BY.get((int) in.number())"),
        "Encryption" => ("Encryption", "ENCRYPTION.get((int) in.number())"),
        _ => ("", ""),
    };
    if !known.0.is_empty() {
        return (known.0.into(), known.1.into());
    }
    if let Some(record) = RECORDS.iter().find(|record| record.rust == text) {
        return (record.java.name.rsplit('.').next().expect("a name").into(), format!("{}(in)", reader(record)));
    }
    let (outer, inner) = (last(ty).unwrap_or_default(), inner(ty));
    let record = RECORDS.iter().find(|record| inner.first().and_then(last).as_deref() == Some(record.rust));
    let record = record.unwrap_or_else(|| panic!("no Java type for {text}"));
    let name = record.java.name.rsplit('.').next().expect("a name");
    match outer.as_str() {
        "Vec" => (format!("List<{name}>"), format!("in.list(Reports::{})", reader(record))),
        "Option" => (format!("Optional<{name}>"), format!("in.optional(Reports::{})", reader(record))),
        _ => panic!("no Java type for {text}"),
    }
}

/// The name of the method that reads a record.
fn reader(record: &Record) -> String {
    camel(&record.java.name.replace('.', ""))
}

pub fn records(core: &Sources) -> Vec<Written> {
    let mut files = Vec::new();
    for record in RECORDS.iter().filter(|record| !record.java.by_hand && !record.java.name.contains('.')) {
        let inside = RECORDS.iter().filter(|other| other.java.name.starts_with(&format!("{}.", record.java.name)));
        let inside: Vec<_> = inside.map(|inner| written(core, inner, "    ", &[])).collect();
        let body = written(core, record, "", &inside);
        files.push(file(record.java.name, &format!("{} in core/src", record.rust), IMPORTS, &body));
    }
    files.push(reports(core));
    files
}

/// `Reports.java`: records out of what the native code has packed.
fn reports(core: &Sources) -> Written {
    let mut body = String::from(
        "/** Makes reports of what the native code has packed ({@link Packed}), in the order of their parts. */
final class Reports {
    private static final List<Mechanism> MECHANISMS = List.of(Mechanism.values());
    private static final List<KnownBy> KNOWN_BY = List.of(KnownBy.values());
    private static final List<CountedBy> COUNTED_BY = List.of(CountedBy.values());
    private static final List<Encryption> ENCRYPTION = List.of(Encryption.values());

    private Reports() {}

    private static Mechanism mechanism(Packed in) {
        int place = (int) in.number();
        return place < 0 ? null : MECHANISMS.get(place);
    }
",
    );
    for record in RECORDS {
        let values: Vec<_> = components(core, record).iter().map(|component| java_type(&component.ty).1).collect();
        let name = record.java.name;
        body += &format!("\n    static {name} {}(Packed in) {{\n", reader(record));
        // Java evaluates arguments from left to right.
        body += &call(&format!("        return new {name}("), &values, ");\n", "        ");
        body += "    }\n";
    }
    body += "}\n";
    file("Reports", "the reports in core/src or the records in tests/generate/src", IMPORTS, &body)
}
