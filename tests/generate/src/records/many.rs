//! The reports of what is done many at a time, in which each has a result of its own.

use crate::declaration::{DATACLASS, Field, Java, Method, NATIVE, PLAIN, Python, Record};

pub const BATCH: Record = Record {
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
};

pub const BATCH_ITEM: Record = Record {
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
                ty: "Option<Error>",
                value: "self.as_ref().err()",
                docs: "Why it failed, if it did: the exception that a transfer of its own would have thrown.",
            },
        ],
        ..PLAIN
    },
};

pub const READS: Record = Record {
    rust: "ReadsReport",
    python: Python {
        docs: "What happened to a number of reads.",
        fields: &[Field {
            of: "reads",
            name: "reads",
            ty: "given",
            value: "",
            docs: "For each read the bytes it has put into its buffer, fewer than fit only at EOF; or its exception.",
        }],
        given: &[("reads", "tuple[int | Exception, ...]")],
        ..DATACLASS
    },
    packed: None,
    java: Java {
        name: "ReadsReport",
        docs: "What happened to a number of reads.",
        fields: &[Field {
            of: "reads",
            name: "reads",
            ty: "Vec<usize>",
            value: "self.reads",
            docs: "Each read's result, in the order of the reads.",
        }],
        methods: &[
            Method {
                name: "isComplete",
                docs: "Whether no read failed.",
                returns: "true if all went well",
                ty: "boolean",
                body: "reads.stream().noneMatch(read -> read.failure().isPresent())",
            },
            Method {
                name: "bytes",
                docs: "Bytes read, all reads together.",
                returns: "their number",
                ty: "long",
                body: "reads.stream().mapToLong(Result::bytes).sum()",
            },
        ],
        ..PLAIN
    },
};

/// In the core it is the number, or the error.
pub const ONE_READ: Record = Record {
    rust: "usize",
    python: Python { made: false, ..DATACLASS },
    packed: Some("zcio::error::Result<usize>"),
    java: Java {
        name: "ReadsReport.Result",
        docs: "What happened to one read.",
        fields: &[
            Field {
                of: "self",
                name: "bytes",
                ty: "u64",
                value: "self.as_ref().map_or_else(zcio::Error::moved, |&count| count as u64)",
                docs: "Bytes that were read, fewer than its buffer had room for only at the end of the file or after a failure.",
            },
            Field {
                of: "self",
                name: "failure",
                ty: "Option<Error>",
                value: "self.as_ref().err()",
                docs: "Why it failed, if it did.",
            },
        ],
        ..PLAIN
    },
};
