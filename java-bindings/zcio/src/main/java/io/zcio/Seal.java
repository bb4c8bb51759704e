package io.zcio;

/** A promise about a {@link SharedRegion} that nobody can take back, see fcntl(2), {@code F_ADD_SEALS}. */
public enum Seal {
    /** It never gets shorter: what is mapped stays mapped. The least a receiver needs. */
    SHRINK,
    /** It never gets longer. */
    GROW,
    /** Nobody writes to it any more. Refused by the kernel while somebody else has it mapped for writing. */
    WRITE,
    /** Nobody gets a new way to write to it; mappings that exist go on: one writer, many readers. */
    FUTURE_WRITE,
    /** No further seals. */
    SEAL
}
