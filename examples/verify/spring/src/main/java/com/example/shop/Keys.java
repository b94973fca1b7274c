package com.example.shop;

import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSelector;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.proc.SecurityContext;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.text.ParseException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The waiting room's public keys, kept so that no request waits for them but the first and those of a new key.
 *
 * <p>Fetched when five minutes old, and when a pass names a key that is not among them; never twice within ten seconds, whatever comes and
 * whether a fetch worked or not. While they cannot be fetched the old ones stay, for an hour at most: then nobody is let in.
 */
class Keys implements JWKSource<SecurityContext> {
    private static final Logger LOG = LoggerFactory.getLogger(Keys.class);
    private static final Duration REFRESH = Duration.ofMinutes(5);
    private static final Duration AGAIN = Duration.ofSeconds(10);
    private static final Duration MAX_AGE = Duration.ofHours(1);
    private static final Duration TIMEOUT = Duration.ofSeconds(3);

    private final HttpClient client = HttpClient.newBuilder().connectTimeout(TIMEOUT).build();
    private final HttpRequest request;
    private volatile Fetched current = new Fetched(new JWKSet(), Long.MIN_VALUE);
    private volatile long tried = Long.MIN_VALUE;

    /** Keys and when they were asked for, in nanoseconds of this process. */
    private record Fetched(JWKSet set, long at) {}

    Keys(String url) {
        request = HttpRequest.newBuilder(URI.create(url)).timeout(TIMEOUT).build();
    }

    /** Sees to it that there are keys, and that this one is among them if it is published. */
    void prepare(String kid) {
        if (isOlder(current.at, MAX_AGE)) {
            refresh();
        } else if (isOlder(current.at, REFRESH) && isOlder(tried, AGAIN)) {
            CompletableFuture.runAsync(this::refresh);
        }
        if (isOlder(current.at, MAX_AGE)) {
            throw new NoKeysException();
        }
        if (current.set.getKeyByKeyId(kid) == null) {
            refresh();
        }
    }

    @Override
    public List<JWK> get(JWKSelector selector, SecurityContext context) {
        return selector.select(current.set);
    }

    private static boolean isOlder(long at, Duration age) {
        return at == Long.MIN_VALUE || System.nanoTime() - at >= age.toNanos();
    }

    /** Who comes while a fetch is under way waits for it, and then finds that it was tried a moment ago. */
    private synchronized void refresh() {
        if (!isOlder(tried, AGAIN)) {
            return;
        }
        long began = System.nanoTime();
        tried = began;
        try {
            HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
            if (answer.statusCode() != 200) {
                throw new IOException("status " + answer.statusCode());
            }
            JWKSet set = JWKSet.parse(answer.body());
            if (set.isEmpty()) {
                throw new IOException("no keys");
            }
            current = new Fetched(set, began);
        } catch (IOException | ParseException e) {
            LOG.error("{}: {}", request.uri(), e.toString());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            tried = System.nanoTime();
        }
    }
}
