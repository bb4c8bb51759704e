//! What the Rust types cannot say: which of them the other languages have, and what is called or shaped otherwise there.
//!
//! Everything else is read from the types: fields, their order and documentation, the constants of enums, and the builder
//! methods that are options.

/// An enum of the core that is known in the other languages.
pub struct Enum {
    pub rust: &'static str,
    pub java: JavaEnum,
    /// The name of the type of its names, and what that says of itself.
    pub python: Option<(&'static str, &'static str)>,
}

/// How it looks there.
pub struct JavaEnum {
    pub name: &'static str,
    /// The description of the type, as in Javadoc.
    pub docs: &'static str,
    /// The method that gives the stable name, and the name of the thing.
    pub named: Option<(&'static str, &'static str)>,
    /// Whether there is one that finds a constant by its name.
    pub found: bool,
    /// Constants that have something else to say there.
    pub constants: &'static [(&'static str, &'static str)],
}

const STABLE: &str = "lower-case names} are stable and the same in Rust, Java and Python.";

pub const ENUMS: &[Enum] = &[
    Enum {
        rust: "Mechanism",
        python: Some(("Mechanism", "One way the kernel can move bytes.")),
        java: JavaEnum {
            name: "Mechanism",
            docs: "One way the kernel can move bytes from one descriptor to another.\n\n\
                   The {@linkplain #mechanismName() STABLE A transfer that names a mechanism uses that one and no other; \
                   without a name it takes the best one that works between its ends.",
            named: Some(("mechanismName", "mechanism")),
            found: true,
            constants: &[
                (
                    "Vmsplice",
                    "vmsplice(2): memory that can no longer change goes into a pipe by reference, and on from there by splice(2).",
                ),
                (
                    "ZerocopySend",
                    "send(2) with {@code MSG_ZEROCOPY}: memory or a mapped file to a TCP socket; the kernel says afterwards whether \
                 it copied. Refused where the socket's error queue is in use. Buffers go by it in {@link Transfer#run} of a \
                 platform thread only: a {@link Stepper} and a virtual thread are away while the kernel still reads them. If \
                 such a run is stopped and the peer does not take what it was sent within a second, the connection is reset.",
                ),
                (
                    "ZerocopyReceive",
                    "getsockopt(2) with {@code TCP_ZEROCOPY_RECEIVE}: pages of a TCP socket's queue are mapped into a region made for \
                     it ({@link MappedRegion#receiving}); what cannot be mapped is copied, see {@link Report#mapped}. Never \
                     chosen automatically.",
                ),
            ],
        },
    },
    Enum {
        rust: "Advice",
        python: Some(("Advice", "What can be told to the kernel about a range of a Region, see madvise(2).")),
        java: JavaEnum {
            name: "Advice",
            docs: "What can be told to the kernel about a range of memory, see madvise(2) and {@link MappedRegion#advise}.\n\n\
                   The {@linkplain #adviceName() STABLE What the kernel cannot do with a sort of memory, or does not know yet, \
                   it refuses with EINVAL.",
            named: Some(("adviceName", "advice")),
            found: false,
            constants: &[],
        },
    },
    Enum {
        rust: "Visibility",
        python: Some((
            "Visibility",
            "Whether later changes to the source may show in bytes that are still on their way.",
        )),
        java: JavaEnum {
            name: "Visibility",
            docs: "Whether later changes to the source may show in bytes that are still on their way.",
            named: None,
            found: false,
            constants: &[(
                "Aliased",
                "They may: the receiver may be looking at the source's own pages. What zero-copy means, and the default.",
            )],
        },
    },
    Enum {
        rust: "Reflink",
        python: None,
        java: JavaEnum {
            name: "Reflink",
            docs: "Whether a copy of a file may share the blocks of its source.",
            named: None,
            found: false,
            constants: &[("Always", "Yes, or the copy fails with the file system's reason.")],
        },
    },
    Enum {
        rust: "Seals",
        python: Some(("Seal", "A promise about a SharedRegion that nobody can take back.")),
        java: JavaEnum {
            name: "Seal",
            docs: "A promise about a {@link SharedRegion} that nobody can take back, see fcntl(2), {@code F_ADD_SEALS}.",
            named: None,
            found: false,
            constants: &[],
        },
    },
    Enum {
        rust: "KnownBy",
        python: None,
        java: JavaEnum {
            name: "KnownBy",
            docs: "Where the knowledge about copies comes from; see {@link Report#copiesKnownBy}.",
            named: None,
            found: false,
            constants: &[],
        },
    },
    Enum {
        rust: "CountedBy",
        python: None,
        java: JavaEnum {
            name: "CountedBy",
            docs: "Which system call counted pages; see {@link FileResidency#countedBy}.",
            named: None,
            found: false,
            constants: &[],
        },
    },
    Enum {
        rust: "Encryption",
        python: None,
        java: JavaEnum {
            name: "Encryption",
            docs: "Who encrypts what a transfer gave its sink; see {@link Report#encryption}.",
            named: None,
            found: false,
            constants: &[],
        },
    },
];

impl JavaEnum {
    pub fn description(&self) -> String {
        self.docs.replace("STABLE", STABLE)
    }
}

/// A report of the core.
pub struct Record {
    pub rust: &'static str,
    /// The Rust type that it is packed from, where that is another one.
    pub packed: Option<&'static str>,
    pub java: Java,
    pub python: Python,
}

/// The class in Python, of the same name as in Rust.
pub struct Python {
    /// Whether there is one.
    pub made: bool,
    /// Whether it is a class of Rust's.
    pub native: bool,
    /// Instead of the core's own.
    pub docs: &'static str,
    /// In place of the field of that name.
    pub fields: &'static [Field],
    /// The types of fields that their maker is given.
    pub given: &'static [(&'static str, &'static str)],
    /// Name, documentation, type and body, which is Rust's or Python's as the class is.
    pub properties: &'static [(&'static str, &'static str, &'static str, &'static str)],
}

pub const DATACLASS: Python = Python { made: true, native: false, docs: "", fields: &[], given: &[], properties: &[] };
pub const NATIVE: Python = Python { native: true, ..DATACLASS };

/// The record in Java.
pub struct Java {
    /// With the class that it stands in.
    pub name: &'static str,
    /// Instead of the core's own.
    pub docs: &'static str,
    /// In place of the field of that name.
    pub fields: &'static [Field],
    pub methods: &'static [Method],
    /// Whether there is a file of that name already, because more than a record stands in it.
    pub by_hand: bool,
}

/// A field that is other than in the core; with others that are in place of the same one, or instead of it.
pub struct Field {
    pub of: &'static str,
    pub name: &'static str,
    pub ty: &'static str,
    /// Its value, of `self`.
    pub value: &'static str,
    /// Instead of the core's own.
    pub docs: &'static str,
}

/// A method of a record: what it says, gives back and does, in the language itself.
pub struct Method {
    pub name: &'static str,
    pub docs: &'static str,
    pub returns: &'static str,
    pub ty: &'static str,
    pub body: &'static str,
}

pub const PLAIN: Java = Java { name: "", docs: "", fields: &[], methods: &[], by_hand: false };

/// The options of an operation: those of its builder methods that take one value.
pub struct Options {
    /// The builder.
    pub rust: &'static str,
    pub path: &'static str,
    pub methods: &'static [&'static str],
}

pub const OPTIONS: &[Options] = &[
    Options {
        rust: "Transfer",
        path: "zcio::Transfer<'_>",
        methods: &["offset", "sink_offset", "count", "mechanism", "visibility", "cache"],
    },
    Options { rust: "FanOut", path: "zcio::FanOut<'_>", methods: &["offset", "count", "visibility"] },
    Options {
        rust: "Copy",
        path: "zcio::copy::Copy",
        methods: &["reflink", "preserve_mode", "preserve_times", "create_new", "atomic", "durable"],
    },
];
