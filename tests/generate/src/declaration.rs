//! What the Rust types cannot say: which of them the other languages have, and what is called or shaped otherwise there.
//!
//! Everything else is read from the types: fields, their order and documentation, the constants of enums, and the builder
//! methods that are options.

/// An enum of the core that is known in the other languages.
pub struct Enum {
    pub rust: &'static str,
    /// Without it, its names are strings there.
    pub java: Option<JavaEnum>,
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
        java: Some(JavaEnum {
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
            ],
        }),
    },
    Enum {
        rust: "Advice",
        python: Some(("Advice", "What can be told to the kernel about a range of a Region, see madvise(2).")),
        java: Some(JavaEnum {
            name: "Advice",
            docs: "What can be told to the kernel about a range of memory, see madvise(2) and {@link MappedRegion#advise}.\n\n\
                   The {@linkplain #adviceName() STABLE What the kernel cannot do with a sort of memory, or does not know yet, \
                   it refuses with EINVAL.",
            named: Some(("adviceName", "advice")),
            found: false,
            constants: &[],
        }),
    },
    Enum {
        rust: "Visibility",
        python: Some((
            "Visibility",
            "Whether later changes to the source may show in bytes that are still on their way.",
        )),
        java: Some(JavaEnum {
            name: "Visibility",
            docs: "Whether later changes to the source may show in bytes that are still on their way.",
            named: None,
            found: false,
            constants: &[(
                "Aliased",
                "They may: the receiver may be looking at the source's own pages. What zero-copy means, and the default.",
            )],
        }),
    },
    Enum {
        rust: "Reflink",
        python: None,
        java: Some(JavaEnum {
            name: "Reflink",
            docs: "Whether a copy of a file may share the blocks of its source.",
            named: None,
            found: false,
            constants: &[("Always", "Yes, or the copy fails with the file system's reason.")],
        }),
    },
    Enum {
        rust: "Seals",
        python: Some(("Seal", "A promise about a SharedRegion that nobody can take back.")),
        java: Some(JavaEnum {
            name: "Seal",
            docs: "A promise about a {@link SharedRegion} that nobody can take back, see fcntl(2), {@code F_ADD_SEALS}.",
            named: None,
            found: false,
            constants: &[],
        }),
    },
    Enum { rust: "KnownBy", python: None, java: None },
    Enum { rust: "CountedBy", python: None, java: None },
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

const DATACLASS: Python = Python { made: true, native: false, docs: "", fields: &[], given: &[], properties: &[] };
const NATIVE: Python = Python { native: true, ..DATACLASS };

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

const PLAIN: Java = Java { name: "", docs: "", fields: &[], methods: &[], by_hand: false };

const FAILED: Method = Method {
    name: "failed",
    docs: "Why it was dropped, if it was.",
    returns: "the exception",
    ty: "Optional<Throwable>",
    body: "Optional.ofNullable(failure)",
};

/// How often bytes were copied, in two fields instead of one.
const COPIES: &[Field] = &[
    Field {
        of: "copies",
        name: "copies",
        ty: "Option<u8>",
        value: "self.copies.count",
        docs: "How often the CPU copied each byte between source and sink; `None` where that cannot be known.",
    },
    Field {
        of: "copies",
        name: "copies_known_by",
        ty: "KnownBy",
        value: "self.copies.known_by",
        docs: "Where the knowledge about copies comes from: `\"model\"`, the way the mechanism works between such \
                           ends; `\"kernel\"`, which said so itself; or `\"unknown\"`, it depends on the network device or on \
                           the file system.",
    },
];

pub const RECORDS: &[Record] = &[
    Record {
        rust: "Attempt",
        python: NATIVE,
        packed: None,
        java: Java { name: "Attempt", docs: "A mechanism that was tried in a transfer and refused.", ..PLAIN },
    },
    Record {
        rust: "Report",
        python: Python {
            docs: "What a transfer did.",
            fields: COPIES,
            properties: &[(
                "short",
                "Whether the source ended before the requested count was reached.",
                "bool",
                "self.requested.is_some_and(|requested| self.bytes < requested)",
            )],
            ..NATIVE
        },
        packed: None,
        java: Java {
            name: "Report",
            docs: "What happened in a transfer.",
            fields: COPIES,
            methods: &[Method {
                name: "isShort",
                docs: "Whether the source ended before the requested count was reached. That is no error: a range that reaches \
                       beyond the end of a file moves what there is.",
                returns: "true if fewer bytes were moved than asked for",
                ty: "boolean",
                body: "requested.isPresent() && bytes < requested.getAsLong()",
            }],
            ..PLAIN
        },
    },
    Record {
        rust: "CopyReport",
        python: Python { docs: "What a copy of a file did.", ..DATACLASS },
        packed: None,
        java: Java { name: "CopyReport", ..PLAIN },
    },
    Record {
        rust: "RelayReport",
        python: Python {
            docs: "What a relay did.",
            given: &[("forward", "DirectionReport"), ("backward", "DirectionReport")],
            ..DATACLASS
        },
        packed: None,
        java: Java {
            name: "RelayReport",
            fields: &[Field {
                of: "waits",
                name: "waits",
                ty: "u64",
                value: "self.waits",
                docs: "Calls of poll(2) made to wait; a relay on a virtual thread parks instead.",
            }],
            methods: &[Method {
                name: "bytes",
                docs: "Bytes delivered in both directions.",
                returns: "their number",
                ty: "long",
                body: "forward.bytes + backward.bytes",
            }],
            ..PLAIN
        },
    },
    Record {
        rust: "DirectionReport",
        python: Python {
            docs: "One direction of a relay.",
            fields: &[
                Field {
                    of: "undelivered",
                    name: "undelivered",
                    ty: "bytes",
                    value: "",
                    docs: "Bytes taken out of the sending socket that the receiving one has not taken; they exist only here now.",
                },
                Field {
                    of: "outcome",
                    name: "ended",
                    ty: "bool",
                    value: "matches!(self.outcome, zcio::Outcome::Ended)",
                    docs: "Whether the sender ended and its end was passed on.",
                },
                Field {
                    of: "outcome",
                    name: "error",
                    ty: "Option<Error>",
                    value: "(if let zcio::Outcome::Failed(error) = &self.outcome { Some(error) } else { None })",
                    docs: "Why it broke, if it did.",
                },
            ],
            ..DATACLASS
        },
        packed: None,
        java: Java {
            name: "RelayReport.Way",
            docs: "One direction of a relay.",
            fields: &[
                Field {
                    of: "undelivered",
                    name: "undelivered",
                    ty: "u64",
                    value: "self.undelivered",
                    docs: "Bytes taken out of the sending socket that the receiving one has not taken.",
                },
                Field {
                    of: "outcome",
                    name: "has_ended",
                    ty: "bool",
                    value: "matches!(self.outcome, zcio::Outcome::Ended)",
                    docs: "Whether the sender ended, and its end was passed on after its last byte.",
                },
                Field {
                    of: "outcome",
                    name: "failure",
                    ty: "Option<Error>",
                    value: "(if let zcio::Outcome::Failed(error) = &self.outcome { Some(error) } else { None })",
                    docs: "Why it broke; null if it did not. After a failure no end is passed on.",
                },
            ],
            methods: &[Method { docs: "Why it broke, if it did.", ..FAILED }],
            ..PLAIN
        },
    },
    Record {
        rust: "FanOutReport",
        python: Python { docs: "What a fan-out did.", given: &[("sinks", "tuple[SinkReport, ...]")], ..DATACLASS },
        packed: None,
        java: Java {
            name: "FanOutReport",
            fields: &[
                Field {
                    docs: "How the bytes were taken and shared in the end: splice (with tee(2)), or read_write.",
                    of: "mechanism",
                    name: "mechanism",
                    ty: "Mechanism",
                    value: "self.mechanism",
                },
                Field {
                    docs: "What refused to take or to share them, and why.",
                    of: "attempts",
                    name: "attempts",
                    ty: "Vec<Attempt>",
                    value: "self.attempts",
                },
                Field {
                    docs: "Calls of poll(2) made to wait; a fan-out on a virtual thread parks instead.",
                    of: "waits",
                    name: "waits",
                    ty: "u64",
                    value: "self.waits",
                },
            ],
            ..PLAIN
        },
    },
    Record {
        rust: "SinkReport",
        python: Python {
            docs: "One sink of a fan-out.",
            fields: &[
                Field { of: "bytes", name: "bytes", ty: "u64", value: "self.bytes", docs: "" },
                Field {
                    of: "bytes",
                    name: "undelivered",
                    ty: "bytes",
                    value: "",
                    docs: "Bytes taken out of a socket or pipe that this sink has not got, when the fan-out ended early; they exist \
                           only here now. Empty for a file, which has its bytes still, and for a sink that failed while others \
                           went on.",
                },
                Field { of: "error", name: "error", ty: "Option<Error>", value: "self.error.as_ref()", docs: "" },
            ],
            ..DATACLASS
        },
        packed: None,
        java: Java {
            name: "FanOutReport.Sink",
            docs: "One sink of a fan-out.",
            fields: &[Field {
                docs: "Why it was dropped; null if it was not.",
                of: "error",
                name: "failure",
                ty: "Option<Error>",
                value: "self.error.as_ref()",
            }],
            methods: &[FAILED],
            ..PLAIN
        },
    },
    Record {
        rust: "BatchReport",
        python: Python {
            docs: "What happened in a batch.",
            fields: &[Field {
                of: "items",
                name: "items",
                ty: "given",
                value: "",
                docs: "For each item its report or its exception, in the order of the items.",
            }],
            given: &[("items", "tuple[ItemReport | Exception, ...]")],
            properties: &[(
                "bytes",
                "Bytes of all the items that succeeded, and of those that failed what had been delivered.",
                "int",
                "        return sum(
            item.bytes if isinstance(item, ItemReport) else item.moved if isinstance(item, TransferError) else 0
            for item in self.items
        )
",
            )],
            ..DATACLASS
        },
        packed: None,
        java: Java {
            name: "BatchReport",
            docs: "What happened in a batch.",
            fields: &[Field {
                of: "items",
                name: "items",
                ty: "Vec<ItemReport>",
                value: "self.items",
                docs: "Each item's result, in the order of the items.",
            }],
            methods: &[
                Method {
                    name: "isComplete",
                    docs: "Whether no item failed.",
                    returns: "true if all went well",
                    ty: "boolean",
                    body: "items.stream().noneMatch(item -> item.failure().isPresent())",
                },
                Method {
                    name: "bytes",
                    docs: "Bytes delivered, all items together.",
                    returns: "their number",
                    ty: "long",
                    body: "items.stream().mapToLong(Result::bytes).sum()",
                },
            ],
            ..PLAIN
        },
    },
    Record {
        rust: "ItemReport",
        python: Python { docs: "What happened to one item of a batch.", ..NATIVE },
        packed: Some("zcio::error::Result<zcio::ItemReport>"),
        java: Java {
            name: "BatchReport.Result",
            docs: "What happened to one item.",
            fields: &[
                Field {
                    of: "bytes",
                    name: "bytes",
                    ty: "u64",
                    value: "self.as_ref().map_or_else(zcio::Error::moved, |item| item.bytes)",
                    docs: "",
                },
                Field {
                    of: "requested",
                    name: "requested",
                    ty: "Option<u64>",
                    value: "self.as_ref().ok().and_then(|item| item.requested)",
                    docs: "",
                },
                Field {
                    of: "mechanism",
                    name: "mechanism",
                    ty: "Option<Mechanism>",
                    value: "self.as_ref().ok().map(|item| item.mechanism)",
                    docs: "How they went: [`Mechanism::Uring`] together with others, or what a transfer of their own chose; \
                           empty after a failure.",
                },
                Field {
                    of: "mechanism",
                    name: "failure",
                    ty: "Optional<Error>",
                    value: "self.as_ref().err()",
                    docs: "Why it failed, if it did: the exception that a transfer of its own would have thrown.",
                },
            ],
            ..PLAIN
        },
    },
    Record {
        rust: "FileResidency",
        python: Python { made: false, ..DATACLASS },
        packed: None,
        java: Java { name: "FileResidency", by_hand: true, ..PLAIN },
    },
];

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
