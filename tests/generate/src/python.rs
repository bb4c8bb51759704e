//! The Python side: the names that are types there, the reports, and what makes them of the core's.
//!
//! A report that is made for every transfer is a class of Rust's, because filling a frozen dataclass of eleven fields takes
//! longer than moving 4 KiB; the others are dataclasses.

use quote::ToTokens;

use crate::declaration::{ENUMS, Field, Record};
use crate::docs::{filled, paragraphs, snake};
use crate::records::RECORDS;
use crate::source::{Sources, inner, last};
use crate::{Written, header};

/// What stands between backticks in Rust.
fn code(text: &str) -> String {
    if text == "None" || text.ends_with(')') {
        return text.into();
    }
    if let Some((of, constant)) = text.split_once("::")
        && ENUMS.iter().any(|each| each.rust == of)
    {
        return format!("'{}'", snake(constant));
    }
    format!("``{}``", text.rsplit("::").next().expect("a name"))
}

/// `_names.py`: the enums of the core as types.
pub fn names(core: &Sources) -> Written {
    let mut text = header("#", "the enums in core/src, or ENUMS in tests/generate/src/declaration.rs");
    text += "\"\"\"The names that are the same in every language, as types.\"\"\"\n\nfrom typing import Literal, TypeAlias\n";
    for (rust, python) in ENUMS.iter().filter_map(|each| each.python.as_ref().map(|python| (each.rust, python))) {
        let names: Vec<_> =
            core.constants(rust).1.iter().map(|constant| format!("\"{}\"", snake(&constant.name))).collect();
        let line = format!("{}: TypeAlias = Literal[{}]\n", python.0, names.join(", "));
        text.push('\n');
        text += &if line.len() <= 121 {
            line
        } else {
            format!("{}: TypeAlias = Literal[\n    {},\n]\n", python.0, names.join(",\n    "))
        };
        text += &format!("\"\"\"{}\"\"\"\n", python.1);
    }
    ("python-bindings/python/zcio/_names.py".into(), text)
}

/// A field of a report: its name, documentation, type in Rust and value of `report`.
struct Part {
    name: String,
    docs: String,
    ty: String,
    value: String,
}

/// Those of the core, with what the declaration has in their place.
fn parts(core: &Sources, record: &Record) -> Vec<Part> {
    let mut found = Vec::new();
    for field in core.record(record.rust).1 {
        let ty = field.ty.expect("a field has a type");
        let written = ty.to_token_stream().to_string().replace(' ', "");
        // A duration is a number there.
        let docs = field.docs.replace("Time from", "Seconds from");
        let mut others = record.python.fields.iter().filter(|other| other.of == field.name).peekable();
        if others.peek().is_none() {
            let ty = match (last(&ty).as_deref(), inner(&ty).first().and_then(last)) {
                (Some("Vec"), Some(inside)) if inside != "Attempt" => "given".into(),
                (Some(name), _) if RECORDS.iter().any(|record| record.rust == name) => "given".into(),
                _ => written,
            };
            found.push(Part { value: format!("report.{}", field.name), name: field.name, docs, ty });
            continue;
        }
        for Field { name, ty, value, docs: own, .. } in others {
            let docs = if own.is_empty() { docs.clone() } else { (*own).into() };
            found.push(Part { name: (*name).into(), docs, ty: (*ty).into(), value: value.replace("self.", "report.") });
        }
    }
    found
}

fn description(core: &Sources, record: &Record) -> String {
    let docs = record.python.docs;
    if docs.is_empty() { core.record(record.rust).0 } else { docs.into() }
}

/// The classes and functions in Rust.
pub fn reports(core: &Sources) -> Vec<Written> {
    let mut text = header("//", "the reports in core/src or the records in tests/generate/src");
    text += "//! Reports as Python has them: frozen classes that compare, hash, print and pickle, and functions that make the\n\
             //! dataclasses of `zcio/_reports.py`. What a function is given beside a report is what only its caller has.\n\n\
             use std::borrow::Cow;\nuse std::time::Duration;\n\n\
             use pyo3::prelude::*;\nuse pyo3::types::{PyBytes, PyTuple, PyType};\nuse zcio::Mechanism;\n\n\
             use crate::once::Once;\nuse crate::report::{attempts, boolean, dataclass_fields, failure, named, optional, seconds};\n\n";
    for record in RECORDS {
        if record.python.native {
            text += &native(core, record);
        } else if record.python.made {
            text += &maker(core, record);
        }
    }
    vec![
        ("python-bindings/src/generated/reports.rs".into(), text),
        (
            "python-bindings/src/generated/mod.rs".into(),
            header("//", "tests/generate/src/python.rs") + "\npub mod reports;\n",
        ),
    ]
}

/// How a class of Rust's has a field: its type; that of its getter and what it gives, unless it is got as it is; the type of the
/// argument that makes it again, and how; the type that pickle is given; and how it is printed.
type Shape<'a> = (&'a str, Option<(&'a str, String)>, &'a str, String, &'a str, String);

fn shape<'a>(field: &str, ty: &'a str) -> Shape<'a> {
    match ty {
        "u64" => ("u64", None, "u64", field.to_owned(), "u64", format!("self.{field}")),
        "Option<u64>" | "Option<u8>" | "Option<i32>" => {
            (ty, None, ty, field.to_owned(), ty, format!("optional(self.{field})"))
        }
        "bool" => ("bool", None, "bool", field.to_owned(), "bool", format!("boolean(self.{field})")),
        "String" | "&'staticstr" => (
            "String",
            None,
            "String",
            field.to_owned(),
            "&str",
            format!("self.{field}.as_str().into_pyobject(py)?.repr()?"),
        ),
        "KnownBy" | "Encryption" => (
            "Cow<'static, str>",
            None,
            "String",
            format!("Cow::Owned({field})"),
            "&str",
            format!("self.{field}.as_ref().into_pyobject(py)?.repr()?"),
        ),
        "Mechanism" => (
            "Mechanism",
            Some(("&'static str", format!("self.{field}.name()"))),
            "&str",
            format!("named({field})?"),
            "&'static str",
            format!("self.{field}().into_pyobject(py)?.repr()?"),
        ),
        "Duration" => (
            "Duration",
            Some(("f64", format!("self.{field}.as_secs_f64()"))),
            "f64",
            format!("seconds({field})?"),
            "f64",
            format!("self.{field}().into_pyobject(py)?.repr()?"),
        ),
        "Vec<Attempt>" => (
            "Vec<Attempt>",
            Some(("PyResult<Bound<'py, PyTuple>>", format!("PyTuple::new(py, self.{field}.iter().cloned())"))),
            "Vec<PyRef<'_, Attempt>>",
            format!("{field}.iter().map(|each| Attempt::clone(each)).collect()"),
            "Bound<'py, PyTuple>",
            format!("self.{field}(py)?.repr()?"),
        ),
        _ => panic!("{field}: no class of Rust's has a {ty}"),
    }
}

fn native(core: &Sources, record: &Record) -> String {
    let name = record.rust;
    let (mut fields, mut getters, mut arguments, mut made) = (String::new(), String::new(), Vec::new(), String::new());
    let (mut types, mut values, mut prints, mut printed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut from, mut names) = (String::new(), Vec::new());
    for Part { name: field, docs, ty, value } in parts(core, record) {
        let docs: String = paragraphs(&docs, &|text| code(text).replace("``", "`"))
            .iter()
            .flat_map(|text| filled(text, "/// ", "/// "))
            .map(|line| line + "\n")
            .collect();
        let (kept, got, argument, again, given, print) = shape(&field, &ty);
        let tuple = kept.starts_with("Vec");
        if let Some((result, value)) = &got {
            let arguments = if tuple { "<'py>(&self, py: Python<'py>)" } else { "(&self)" };
            getters += &format!("{docs}#[getter]\nfn {field}{arguments} -> {result} {{ {value} }}\n\n");
            fields += &format!("{field}: {kept},\n");
            values.push(if tuple { format!("self.{field}(py)?") } else { format!("self.{field}()") });
        } else {
            fields += &format!("{docs}#[pyo3(get)]\n{field}: {kept},\n");
            values.push(if given == "&str" { format!("&self.{field}") } else { format!("self.{field}") });
        }
        arguments.push(format!("{field}: {argument}"));
        names.push(format!("\"{field}\""));
        made += &if again == field { format!("{field},\n") } else { format!("{field}: {again},\n") };
        types.push(given.to_owned());
        let value = match ty.as_str() {
            "Vec<Attempt>" => format!("{value}.into_iter().map(Attempt::from).collect()"),
            "KnownBy" | "Encryption" => format!("Cow::Borrowed({value}.name())"),
            "&'staticstr" => format!("{value}.to_owned()"),
            _ => value,
        };
        from += &format!("{field}: {value},\n");
        prints.push(format!("{field}={{}}"));
        printed.push(print);
    }
    for (property, docs, ty, body) in record.python.properties {
        getters += &format!("/// {docs}\n#[getter]\nfn {property}(&self) -> {ty} {{ {body} }}\n\n");
        prints.push(format!("{property}={{}}"));
        printed.push(if *ty == "bool" { format!("boolean(self.{property}())") } else { format!("self.{property}()") });
    }
    let docs: String = paragraphs(&description(core, record), &|text| code(text).replace("``", "`"))
        .iter()
        .map(|text| format!("/// {text}\n"))
        .collect();
    let uses_py = types.iter().any(|ty| ty.contains("'py"));
    let (lifetime, py) = if uses_py { ("<'py>", ", py: Python<'py>") } else { ("", "") };
    format!(
        "
        {docs}#[pyclass(frozen, eq, hash, module = \"zcio\")]
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct {name} {{ {fields} }}

        #[pymethods]
        impl {name} {{
            #[new]
            #[allow(clippy::too_many_arguments, clippy::needless_pass_by_value)] // Restored field by field by pickle.
            fn new({}) -> PyResult<Self> {{ Ok(Self {{ {made} }}) }}

            {getters}
            #[allow(clippy::type_complexity, clippy::unnecessary_wraps)] // A field each, some of which can fail.
            fn __getnewargs__{lifetime}(&self{py}) -> PyResult<({})> {{ Ok(({})) }}

            /// `dataclasses.fields`, and so `asdict`, take it for one of theirs.
            #[classattr]
            fn __dataclass_fields__(py: Python<'_>) -> PyResult<Py<PyAny>> {{ dataclass_fields(py, \"{name}\", &[{}]) }}

            fn __repr__(&self, py: Python<'_>) -> PyResult<String> {{
                Ok(format!(\"{name}({})\", {}))
            }}
        }}

        impl From<zcio::{name}> for {name} {{
            fn from(report: zcio::{name}) -> Self {{ Self {{ {from} }} }}
        }}
        ",
        arguments.join(", "),
        types.join(", "),
        values.join(", "),
        names.join(", "),
        prints.join(", "),
        printed.join(", "),
    )
}

fn maker(core: &Sources, record: &Record) -> String {
    let (mut given, mut values) = (Vec::new(), Vec::new());
    for Part { name, ty, value, .. } in parts(core, record) {
        values.push(match ty.as_str() {
            "u64" | "Option<u64>" | "bool" => value,
            "Mechanism" => format!("{value}.name()"),
            "Option<Mechanism>" => format!("{value}.map(Mechanism::name)"),
            "Vec<Attempt>" => format!("attempts(py, &{value})?"),
            "Option<Attempt>" => format!("{value}.clone().map(Attempt::from)"),
            "Duration" => format!("{value}.as_secs_f64()"),
            "Option<Error>" => format!("{value}.map(|error| failure(py, error))"),
            "bytes" => {
                given.push(format!("{name}: &[u8]"));
                format!("PyBytes::new(py, {name})")
            }
            "given" => {
                given.push(format!("{name}: Bound<'py, PyAny>"));
                name
            }
            _ => panic!("{}.{name}: no dataclass has a {ty}", record.rust),
        });
    }
    let given: String = given.iter().map(|given| format!(", {given}")).collect();
    format!(
        "
        /// The `{name}` of Python.
        pub fn {function}<'py>(py: Python<'py>, report: &zcio::{name}{given}) -> PyResult<Bound<'py, PyAny>> {{
            static CLASS: Once<Py<PyType>> = Once::new();
            CLASS.import(py, \"zcio._reports\", \"{name}\")?.call1(({}))
        }}
        ",
        values.join(", "),
        name = record.rust,
        function = snake(record.rust)
    )
}

/// `_reports.py`.
pub fn dataclasses(core: &Sources) -> Written {
    let mut text = header("#", "the reports in core/src or the records in tests/generate/src");
    text += "\"\"\"What an operation on more than one pair of ends did: frozen records. ``Report``, which is made for every transfer, \
             is\nnative.\n\"\"\"\n\nimport builtins\nfrom dataclasses import dataclass\n\n\
             from zcio._errors import TransferError\nfrom zcio._names import Mechanism\nfrom zcio._zcio import Attempt, ItemReport\n";
    let mut made = Vec::new();
    // What another one has in it comes first.
    let records: Vec<_> = RECORDS.iter().filter(|record| record.python.made && !record.python.native).collect();
    let (outer, inside): (Vec<_>, Vec<_>) =
        records.into_iter().partition(|record| record.java.name.find('.').is_none());
    for record in inside.into_iter().chain(outer) {
        made.push(record.rust);
        text += &format!(
            "\n\n@dataclass(frozen=True, slots=True)\nclass {}:\n    \"\"\"{}\"\"\"\n",
            record.rust,
            paragraphs(&description(core, record), &code).join("\n\n")
        );
        for Part { name, docs, ty, .. } in parts(core, record) {
            let ty = match ty.as_str() {
                "u64" => "int",
                "Option<u64>" => "int | None",
                "bool" => "bool",
                "Mechanism" => "Mechanism",
                "Option<Mechanism>" => "Mechanism | None",
                "Vec<Attempt>" => "tuple[Attempt, ...]",
                "Option<Attempt>" => "Attempt | None",
                "Duration" => "float",
                "Option<Error>" => "Exception | None",
                "bytes" => "\"builtins.bytes\"",
                "given" => {
                    let known = record.python.given.iter().find(|(field, _)| *field == name);
                    known.unwrap_or_else(|| panic!("{}.{name}: of which type?", record.rust)).1
                }
                _ => unreachable!("refused by `maker`"),
            };
            let docs = filled(&paragraphs(&docs, &code).join(" "), "    \"\"\"", "    ").join("\n");
            text += &format!("\n    {name}: {ty}\n{docs}\"\"\"\n");
        }
        for (property, docs, ty, body) in record.python.properties {
            text += &format!("\n    @property\n    def {property}(self) -> {ty}:\n        \"\"\"{docs}\"\"\"\n{body}");
        }
    }
    text += &format!("\n\nfor _class in ({}):\n    _class.__module__ = \"zcio\"\n", made.join(", "));
    ("python-bindings/python/zcio/_reports.py".into(), text)
}
