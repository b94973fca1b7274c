package com.example.shop;

import org.springframework.security.core.AuthenticationException;

/** There are no keys, or they are too old: nothing is known about the pass. */
public class NoKeysException extends AuthenticationException {
    public NoKeysException() {
        super("the keys of the waiting room cannot be had");
    }
}
