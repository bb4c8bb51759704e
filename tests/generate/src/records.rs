//! The core's reports, and what each language has otherwise.

mod many;

use crate::declaration::{DATACLASS, Field, Java, Method, NATIVE, PLAIN, Python, Record};
use many::{BATCH, BATCH_ITEM, ONE_READ, READS};

/// How often bytes were copied, in two fields instead of one; and memory is no sink in the other languages.
const REPORT: &[Field] = &[
    Field {
        of: "requested",
        name: "requested",
        ty: "Option<u64>",
        value: "self.requested",
        docs: "Bytes that were asked for; `None` if the transfer was to run to the end of the source.",
    },
    Field {
        of: "copies",
        name: "copies",
        ty: "Option<u8>",
        value: "self.copies.count",
        docs: "How often the CPU copied each byte between source and sink; `None` where that cannot be known.",
    },
    Field {
        of: "encryption",
        name: "encryption",
        ty: "Encryption",
        value: "self.encryption",
        docs: "Who encrypts what the sink was given, below the program: nobody; the kernel (TLS), which reads each byte once for that; \
               or the network device.",
    },
    Field {
        of: "copies",
        name: "copies_known_by",
        ty: "KnownBy",
        value: "self.copies.known_by",
        docs: "Where the knowledge about copies comes from: the model of how the mechanism works between such ends; the kernel, \
                           which said so itself; or it is unknown, because it depends on the network device or on the file \
                           system.",
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
            fields: REPORT,
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
            fields: REPORT,
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
                    docs: "Why it broke, if it did. After a failure no end is passed on.",
                },
            ],
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
                docs: "Why it was dropped, if it was.",
                of: "error",
                name: "failure",
                ty: "Option<Error>",
                value: "self.error.as_ref()",
            }],
            ..PLAIN
        },
    },
    BATCH,
    BATCH_ITEM,
    READS,
    ONE_READ,
    Record {
        rust: "FileResidency",
        python: Python { made: false, ..DATACLASS },
        packed: None,
        java: Java { name: "FileResidency", by_hand: true, ..PLAIN },
    },
];
