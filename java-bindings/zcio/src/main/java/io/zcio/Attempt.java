package io.zcio;

import java.util.OptionalInt;

/**
 * A mechanism that was tried in a transfer and refused.
 *
 * @param mechanism which one
 * @param moved     bytes it had delivered before it refused; the next mechanism went on from there
 * @param operation the system call that refused
 * @param errno     the error number it gave, if it was an error number that refused
 * @param reason    what that means here, in a sentence
 */
public record Attempt(Mechanism mechanism, long moved, String operation, OptionalInt errno, String reason) {}
