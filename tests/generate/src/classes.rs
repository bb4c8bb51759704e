//! A report as a class of Java's.

use crate::declaration::{Java, Record};
use crate::docs::{as_parameter, camel, filled, paragraphs};
use crate::java::{code, components, java_type, javadoc};
use crate::source::{Sources, last};

/// A report as a class: a field, what sets it and what gives it for each part, and what compares two. Not a record, whose
/// constructor and patterns are its callers', so that it could never have another part.
pub fn written(core: &Sources, record: &Record, indent: &str, inside: &[String]) -> String {
    let Java { name, docs, methods, .. } = record.java;
    let parts: Vec<_> = components(core, record)
        .iter()
        .map(|component| {
            let mut text = as_parameter(&paragraphs(&component.docs, &code).join(" "));
            if last(&component.ty).as_deref() == Some("Vec") {
                text += "; cannot be changed";
            }
            (java_type(&component.ty).0, camel(&component.name), text)
        })
        .collect();
    let core_docs = core.record(record.rust).0;
    let docs = paragraphs(if docs.is_empty() { &core_docs } else { docs }, &code);
    let simple = name.rsplit('.').next().expect("a name");
    let within = format!("{indent}    ");
    let kind = if indent.is_empty() { "" } else { "static " };

    let mut out = javadoc(indent, &docs, &[]) + &format!("{indent}public {kind}final class {simple} {{\n");
    for (ty, name, _) in &parts {
        out += &format!("{within}private final {ty} {name};\n");
    }
    let given: Vec<_> = parts.iter().map(|(ty, name, _)| format!("{ty} {name}")).collect();
    out += &call(&format!("\n{within}{simple}("), &given, ") {\n", &within);
    for (_, name, _) in &parts {
        out += &format!("{within}    this.{name} = {name};\n");
    }
    out += &format!("{within}}}\n");
    let given = parts.iter().map(|(ty, name, text)| {
        let line = format!("{within}/** {{@return {text}}} */\n");
        let docs = if line.chars().count() <= 121 {
            line
        } else {
            let (first, others) = (format!("{within} * {{@return "), format!("{within} * "));
            format!("{within}/**\n{}}}\n{within} */\n", filled(text, &first, &others).join("\n"))
        };
        format!("{docs}{within}public {ty} {name}() {{\n{within}    return {name};\n{within}}}\n")
    });
    let methods = methods.iter().map(|method| {
        let returns = vec![format!("{within} * @return {}", method.returns)];
        format!(
            "{}{within}public {} {}() {{\n{within}    return {};\n{within}}}\n",
            javadoc(&within, &[method.docs.to_owned()], &returns),
            method.ty,
            method.name,
            method.body
        )
    });
    let members: Vec<_> =
        given.chain(methods).chain([compared(simple, &parts, &within)]).chain(inside.iter().cloned()).collect();
    out + "\n" + &members.join("\n") + &format!("{indent}}}\n")
}

/// `equals`, `hashCode` and `toString`.
fn compared(simple: &str, parts: &[(String, String, String)], within: &str) -> String {
    let names: Vec<_> = parts.iter().map(|(_, name, _)| name.clone()).collect();
    let texts: Vec<_> = names.iter().map(|name| format!("\"{name}\", {name}")).collect();
    let values = call(&format!("{within}    return new Object[] {{"), &names, "};\n", &format!("{within}    "));
    let shown = call(
        &format!("{within}    return Packed.shown("),
        &[vec![format!("\"{simple}\"")], texts].concat(),
        ");\n",
        &format!("{within}    "),
    );
    format!(
        "{within}private Object[] values() {{
{values}{within}}}

{within}@Override
{within}public boolean equals(Object other) {{
{within}    return other instanceof {simple} that && Arrays.equals(values(), that.values());
{within}}}

{within}@Override
{within}public int hashCode() {{
{within}    return Arrays.hashCode(values());
{within}}}

{within}@Override
{within}public String toString() {{
{shown}{within}}}
"
    )
}

/// Something in brackets, in one line if there is room, else each on its own.
pub fn call(open: &str, inside: &[String], close: &str, indent: &str) -> String {
    let line = format!("{open}{}{close}", inside.join(", "));
    let between = format!(",\n{indent}        ");
    if line.trim_start_matches('\n').len() <= 121 {
        line
    } else {
        format!("{open}\n{indent}        {}{close}", inside.join(&between))
    }
}
