//! The options of each operation, on both sides of JNI.

use crate::declaration::{OPTIONS, Options};
use crate::docs::camel;
use crate::jni::FOLDER;
use crate::source::{Sources, last};
use crate::{Written, header, java};
use syn::FnArg;

/// The options that an operation's builder has, by name and type.
pub fn chosen(core: &Sources, options: &Options) -> Vec<(String, String)> {
    let of = |name: &&str| {
        let method = core.method(options.rust, name);
        let Some(FnArg::Typed(argument)) = method.sig.inputs.iter().nth(1) else { panic!("{name} takes no value") };
        ((*name).to_owned(), last(&argument.ty).expect("a plain type"))
    };
    options.methods.iter().map(of).collect()
}

/// Structs of the options, which read themselves and apply themselves.
pub fn options(core: &Sources) -> Vec<Written> {
    let mut text = header("//", "OPTIONS in tests/generate/src/declaration.rs");
    text += "//! What is asked of each operation, as the classes `…Options` of the Java side pack it.\n\n";
    text += "use zcio::{CachePolicy, Mechanism, Reflink, Visibility};\n\nuse crate::packed::Packed;\n";
    for each in OPTIONS {
        let (mut fields, mut read, mut apply) = (String::new(), String::new(), String::new());
        for (name, ty) in chosen(core, each) {
            let optional = ["u64", "Mechanism"].contains(&ty.as_str());
            fields += &if optional { format!("pub {name}: Option<{ty}>,") } else { format!("pub {name}: {ty},") };
            read += &format!("{name}: from.take(),");
            apply += &if optional {
                format!("if let Some({name}) = self.{name} {{ to = to.{name}({name}); }}\n")
            } else {
                format!("to = to.{name}(self.{name});\n")
            };
        }
        let (name, path) = (format!("{}Options", each.rust), each.path);
        let open = path.replace("<'_>", "<'fd>");
        let lifetime = if open == path { "" } else { "<'fd>" };
        text += &format!(
            "
            #[allow(clippy::struct_excessive_bools)]
            pub(crate) struct {name} {{ {fields} }}

            impl {name} {{
                pub fn read(from: &mut Packed) -> Self {{ Self {{ {read} }} }}

                pub fn apply{lifetime}(&self, mut to: {open}) -> {open} {{ {apply} to }}
            }}
            "
        );
    }
    let mut files: Vec<_> = OPTIONS.iter().map(|each| packing(core, each)).collect();
    files.push((format!("{FOLDER}options.rs"), text));
    let modules = ["natives", "options", "reports"].map(|module| format!("pub(crate) mod {module};\n"));
    files.push((format!("{FOLDER}mod.rs"), header("//", "tests/generate/src/jni.rs") + "\n" + &modules.concat()));
    files
}

/// The options of an operation: what was chosen, and how it goes to the native code.
fn packing(core: &Sources, options: &Options) -> Written {
    let name = format!("{}Options", options.rust);
    let chosen = chosen(core, options);
    let mut body = format!(
        "/** What is asked of a {}. The methods of its builder choose; see {{@link {}}}. */\nfinal class {name} {{\n",
        options.rust.to_lowercase(),
        options.rust
    );
    for (option, ty) in &chosen {
        let (java, none) = match ty.as_str() {
            "u64" => ("long", " = -1"),
            "bool" => ("boolean", ""),
            "Mechanism" => ("Mechanism", ""),
            "Visibility" => ("Visibility", " = Visibility.ALIASED"),
            "Reflink" => ("Reflink", " = Reflink.AUTO"),
            "CachePolicy" => ("CachePolicy", " = CachePolicy.NONE"),
            _ => panic!("no Java option of type {ty}"),
        };
        let comment = if *ty == "u64" { "    /** In bytes; negative if it was not said. */\n" } else { "" };
        body += &format!("{comment}    {java} {}{none};\n", camel(option));
    }
    body += "\n    void pack(Packed to) {\n        to";
    for (index, (option, ty)) in chosen.iter().enumerate() {
        if index > 0 {
            body += "\n                ";
        }
        let option = camel(option);
        body += &match ty.as_str() {
            "CachePolicy" => format!(".put({option}.readAhead()).put({option}.dropBehind())"),
            _ => format!(".put({option})"),
        };
    }
    body += ";\n    }\n}\n";
    java::file(&name, "OPTIONS in tests/generate/src/declaration.rs", java::IMPORTS, &body)
}
