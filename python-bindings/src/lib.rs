//! The native half of the Python package `zcio`: a private bridge between Python and the core.
//!
//! What users see is `python/zcio/__init__.py`; nothing here is API. The bridge decides nothing about moving bytes: it
//! finds out what the caller's objects are (`descriptors`, `files`, `region_options`), lets the core work without the GIL
//! (`interrupt`), and turns what comes back into Python's own kinds (`report`, `errors`). It must never hold the GIL
//! while an end is opened or waited for, and never let a panic end somebody's interpreter.

mod aligned;
mod batch;
mod borrowed_buffer;
mod buffer_exporter;
mod command;
mod copy;
mod descriptors;
mod errors;
mod fan_out;
mod files;
mod generated;
mod holds;
mod interpreter;
mod interrupt;
mod kept;
mod lend;
mod lesson;
mod observed;
mod once;
mod reads;
mod region;
mod region_errors;
mod region_made;
mod region_options;
mod relay;
mod report;
mod residency;
mod shared_region;
mod small;
mod step;
mod step_fan_out;
mod step_relay;
mod transfer;

/// Private to the package `zcio`.
#[pyo3::pymodule(gil_used = false)]
mod _zcio {
    use pyo3::prelude::*;
    use pyo3::types::PyTuple;

    #[pymodule_export]
    use crate::aligned::{AlignedBuffer, read_direct};
    #[pymodule_export]
    use crate::batch::{PreparedBatch, batch};
    #[pymodule_export]
    use crate::buffer_exporter::BufferExporter;
    #[pymodule_export]
    use crate::command::main;
    #[pymodule_export]
    use crate::copy::copy;
    #[pymodule_export]
    use crate::fan_out::fan_out;
    #[pymodule_export]
    use crate::generated::reports::{Attempt, ItemReport, Report};
    #[pymodule_export]
    use crate::lesson::learn;
    #[pymodule_export]
    use crate::observed::set_observed;
    #[pymodule_export]
    use crate::reads::{PreparedReads, reads};
    #[pymodule_export]
    use crate::region::Region;
    #[pymodule_export]
    use crate::relay::relay;
    #[pymodule_export]
    use crate::residency::Residency;
    #[pymodule_export]
    use crate::shared_region::SharedRegion;
    #[pymodule_export]
    use crate::step::TransferSteps;
    #[pymodule_export]
    use crate::step_fan_out::FanOutSteps;
    #[pymodule_export]
    use crate::step_relay::RelaySteps;
    #[pymodule_export]
    use crate::transfer::transfer;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::interpreter::check(module.py())?;
        let advice = zcio::Advice::ALL.iter().map(|advice| advice.name());
        module.add("ADVICE", PyTuple::new(module.py(), advice)?)?;
        let names = zcio::Mechanism::ALL.iter().map(|mechanism| mechanism.name());
        module.add("MECHANISMS", PyTuple::new(module.py(), names)?)?;
        module.add("END_KINDS", PyTuple::new(module.py(), crate::descriptors::KINDS)?)?;
        module.add("TOPICS", crate::lesson::topics(module.py())?)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
