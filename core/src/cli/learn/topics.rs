//! The table of topics: the article's headings, what it says under each, and which experiment belongs to it.

use std::io;

use serde::Serialize;

use super::lesson::Lesson;
use super::{devices, layout, page_fault, page_table, spaces, tables, virtual_memory, ways};
use crate::proof::Options;

/// One of the article's headings.
#[derive(Debug, Serialize)]
pub(super) struct Topic {
    pub name: &'static str,
    pub title: &'static str,
    pub article: &'static str,
    #[serde(skip)]
    pub look: fn(&Options) -> io::Result<Lesson>,
}

const fn topic(
    name: &'static str,
    title: &'static str,
    article: &'static str,
    look: fn(&Options) -> io::Result<Lesson>,
) -> Topic {
    Topic { name, title, article, look }
}

/// In the article's order; the names are those of the guide's chapters.
pub(super) static TOPICS: [Topic; 16] = [
    topic(
        "memory",
        "Physical memory, virtual memory, page table",
        "A process believes that it has one contiguous range of addresses; the page table says where each page really is. \
         Think of the table as a list.",
        page_table::look,
    ),
    topic(
        "page-fault",
        "How a process gets memory",
        "The kernel gives addresses and no memory. The first touch of a page raises a page fault; then the kernel finds a \
         frame and the process goes on.",
        page_fault::look,
    ),
    topic(
        "virtual-memory",
        "What virtual memory is good for",
        "Isolation of processes, sharing of memory between them, protection, mapping of files, and one place that manages \
         all frames.",
        virtual_memory::look,
    ),
    topic(
        "spaces",
        "Kernel space and user space",
        "The address space has two parts: the process's own, and the kernel's, which a program may not read or write.",
        spaces::look,
    ),
    topic(
        "layout",
        "Stack, heap, text, data, mappings",
        "From high addresses to low ones: the stack, the memory-mapping area, the heap, BSS, data, text.",
        layout::look,
    ),
    topic(
        "layers",
        "Kernel mode, user mode, system calls",
        "Each system call switches to kernel mode and back: two switches. A transfer by read and write takes two calls.",
        ways::layers,
    ),
    topic(
        "interrupts",
        "Interrupts",
        "The disk raises an interrupt when it has data; the processor stops what it does and copies the data to memory.",
        devices::interrupts,
    ),
    topic(
        "dma",
        "DMA",
        "The device's controller moves the data by itself. A file sent to a network has two such copies: from the disk, and \
         to the network interface.",
        devices::dma,
    ),
    topic(
        "read-write",
        "read + write",
        "2 copies by the processor (page cache to buffer, buffer to socket), 2 by DMA, 2 system calls, 4 switches.",
        ways::read_write,
    ),
    topic(
        "direct-io",
        "Direct I/O",
        "Past the page cache: the device moves data to the program's own memory, without a copy between kernel and user space.",
        ways::direct_io,
    ),
    topic(
        "mmap-write",
        "mmap + write",
        "1 copy by the processor (page cache to socket), 2 by DMA, 2 system calls, 4 switches.",
        ways::mmap_write,
    ),
    topic(
        "sendfile",
        "sendfile",
        "1 copy by the processor (page cache to socket buffer), 2 by DMA, 1 system call, 2 switches.",
        ways::sendfile,
    ),
    topic(
        "sendfile-gather",
        "sendfile with DMA gather copy",
        "With hardware that gathers, 0 copies by the processor, 2 by DMA, 1 system call, 2 switches.",
        ways::sendfile_gather,
    ),
    topic(
        "splice",
        "splice",
        "0 copies by the processor, 2 by DMA, 1 system call, 2 switches, and no hardware is needed.",
        ways::splice,
    ),
    topic(
        "comparison",
        "The comparison",
        "One table of five ways, from 2 copies by the processor and 4 switches (read + write) down to 0 and 2 (splice).",
        tables::comparison,
    ),
    topic(
        "java-nio",
        "Zero-copy in Java NIO",
        "FileChannel.map is mmap; transferTo and transferFrom are sendfile.",
        tables::java_nio,
    ),
];
