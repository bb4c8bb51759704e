//! What Rust does not know of the types in `_zcio.pyi`.

/// Types of parameters, results (`return`) and properties that Rust does not know. Those of one function come first.
pub const TYPES: &[(&str, &str)] = &[
    ("transfer.src", "Source"),
    ("copy.src", "Path"),
    ("copy.dst", "Path"),
    ("TransferSteps.__new__.src", "Source"),
    ("TransferSteps.__new__.mechanism", "str"),
    ("TransferSteps.__new__.visibility", "str"),
    ("relay.progress", "Callable[[int, int], object] | None"),
    ("transfer.mechanism", "Mechanism | Literal[\"auto\"]"),
    ("copy.return", "CopyReport"),
    ("relay.return", "RelayReport"),
    ("fan_out.return", "FanOutReport"),
    ("batch.return", "BatchReport"),
    ("PreparedBatch.run.return", "BatchReport"),
    ("reads.items", "Iterable[ReadItem]"),
    ("PreparedReads.__new__.items", "Iterable[ReadItem]"),
    ("reads.return", "ReadsReport"),
    ("PreparedReads.run.return", "ReadsReport"),
    ("TransferSteps.step.return", "tuple[tuple[int, int], ...] | None"),
    ("FanOutSteps.step.return", "tuple[tuple[int, int], ...] | None"),
    ("RelaySteps.step.return", "tuple[tuple[int, int], ...] | None"),
    ("FanOutSteps.close.return", "tuple[FanOutReport | None, bytes]"),
    ("RelaySteps.close.return", "RelayReport | None"),
    ("Report.__new__.attempts", "list[Attempt] | tuple[Attempt, ...]"),
    ("attempts", "tuple[Attempt, ...]"),
    ("Report.copies_known_by.return", "Literal[\"model\", \"kernel\", \"unknown\"]"),
    ("Region.name.return", "str | bytes | os.PathLike[str] | os.PathLike[bytes] | None"),
    ("Region.mode.return", "Literal[\"r\", \"r+\", \"c\"]"),
    ("Region.open.mode", "RegionMode"),
    ("Region.__enter__.return", "Self"),
    ("Region.__exit__.kind", "type[BaseException] | None"),
    ("Region.__exit__.value", "BaseException | None"),
    ("Region.__exit__.traceback", "TracebackType | None"),
    ("Region.__iter__.return", "Iterator[int]"),
    ("Region.__reduce_ex__.return", "NoReturn"),
    ("SharedRegion.seal.seals", "Seal"),
    ("SharedRegion.seals.return", "frozenset[Seal]"),
    ("SharedRegion.__reduce_ex__.return", "tuple[object, ...]"),
    ("SharedRegion.__copy__.return", "NoReturn"),
    ("SharedRegion.__deepcopy__.return", "NoReturn"),
    ("Residency.__iter__.return", "Iterator[bool]"),
    ("main.argv", "list[str]"),
    ("src", "End"),
    ("dst", "End"),
    ("sinks", "Iterable[End]"),
    ("items", "Iterable[BatchItem]"),
    ("a", "Socket"),
    ("b", "Socket"),
    ("sock", "HasFileno"),
    ("file", "int | HasFileno | str | bytes | os.PathLike[str] | os.PathLike[bytes]"),
    ("buffer", "Buffer"),
    ("into", "Buffer"),
    ("data", "Buffer"),
    ("offset", "int"),
    ("count", "int"),
    ("dst_offset", "int"),
    ("read_ahead", "int"),
    ("mechanism", "Mechanism"),
    ("visibility", "Visibility"),
    ("reflink", "Literal[\"auto\", \"always\", \"never\"]"),
    ("progress", "Callable[[int], object] | None"),
    ("check", "Callable[[], object]"),
    ("advice", "Advice"),
    ("protection", "Protection"),
    ("seals", "Iterable[Seal] | None"),
    ("key", "object"),
    ("memo", "object"),
    ("protocol", "SupportsIndex"),
];

/// What has more than one signature, or one that is not checked against its base.
pub const VERBATIM: &[(&str, &str)] = &[
    (
        "Region.__getitem__",
        "    @overload\n    def __getitem__(self, key: SupportsIndex, /) -> int: ...\n    @overload\n    \
         def __getitem__(self, key: slice, /) -> memoryview: ...\n",
    ),
    (
        "Region.__setitem__",
        "    @overload\n    def __setitem__(self, key: SupportsIndex, value: SupportsIndex, /) -> None: ...\n    \
         @overload\n    def __setitem__(self, key: slice, value: Buffer, /) -> None: ...\n",
    ),
];

/// The protocols of the interpreter, which Python code has nothing to do with.
pub const HIDDEN: &[&str] = &["__traverse__", "__clear__", "__releasebuffer__", "__repr__", "__getnewargs__"];

pub const IMPORTS: &[(&str, &[&str])] = &[
    ("collections.abc", &["Callable", "Iterable", "Iterator"]),
    ("types", &["TracebackType"]),
    ("typing", &["Final", "Literal", "NoReturn", "Self", "SupportsIndex", "final", "overload"]),
    ("typing_extensions", &["Buffer", "disjoint_base"]),
    ("zcio._reports", &["BatchReport", "CopyReport", "FanOutReport", "ReadsReport", "RelayReport"]),
    (
        "zcio._types",
        &[
            "Advice",
            "BatchItem",
            "End",
            "HasFileno",
            "Mechanism",
            "Path",
            "Protection",
            "ReadItem",
            "RegionMode",
            "Seal",
            "Socket",
            "Source",
            "Visibility",
        ],
    ),
];

pub const CONSTANTS: &[(&str, &str)] = &[
    ("ADVICE", "tuple[Advice, ...]"),
    ("END_KINDS", "tuple[str, ...]"),
    ("MECHANISMS", "tuple[Mechanism, ...]"),
    ("__version__", "str"),
];
