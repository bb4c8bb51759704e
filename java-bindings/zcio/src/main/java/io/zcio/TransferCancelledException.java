package io.zcio;

/** A transfer that was stopped by its {@link CancelToken}. The channels stay open; what had been moved stays moved. */
public class TransferCancelledException extends TransferException {
    private static final long serialVersionUID = 1L;

    TransferCancelledException(TransferException stopped) {
        super("cancelled", stopped.moved(), 0, stopped.undelivered(), stopped.report().orElse(null));
    }
}
