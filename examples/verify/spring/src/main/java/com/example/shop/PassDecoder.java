package com.example.shop;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import org.springframework.security.oauth2.core.DelegatingOAuth2TokenValidator;
import org.springframework.security.oauth2.core.OAuth2Error;
import org.springframework.security.oauth2.core.OAuth2TokenValidator;
import org.springframework.security.oauth2.core.OAuth2TokenValidatorResult;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtIssuerValidator;
import org.springframework.security.oauth2.jwt.JwtTimestampValidator;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;

/**
 * Verifies passes of the waiting room, offline. Nimbus checks the signature and typ, Spring iss and exp; the form that both leave to their
 * caller is in {@link PassForm}.
 */
class PassDecoder implements JwtDecoder {
    private static final Duration LEEWAY = Duration.ofSeconds(5);

    private final Keys keys;
    private final NimbusJwtDecoder decoder;

    PassDecoder(Keys keys, String issuer, String audience, String event) {
        this.keys = keys;
        DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();
        // The one algorithm of the waiting room's keys; Spring Security knows no EdDSA.
        processor.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.ES256, keys));
        processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType(PassForm.TYP)));
        // Claims are Spring's to validate.
        processor.setJWTClaimsSetVerifier((claims, context) -> {});
        decoder = new NimbusJwtDecoder(processor);
        decoder.setJwtValidator(new DelegatingOAuth2TokenValidator<>(
                new JwtTimestampValidator(LEEWAY),
                new JwtIssuerValidator(issuer),
                must("for another audience", pass -> pass.getAudience().size() == 1 && pass.getAudience().contains(audience)),
                must("for another event", pass -> event.equals(pass.getClaimAsString("evt"))),
                must("made in the future", pass -> !pass.getIssuedAt().isAfter(Instant.now(Clock.systemUTC()).plus(LEEWAY)))));
    }

    @Override
    public Jwt decode(String token) {
        keys.prepare(PassForm.check(token));
        return decoder.decode(token);
    }

    private interface Rule {
        boolean holds(Jwt pass);
    }

    private static OAuth2TokenValidator<Jwt> must(String otherwise, Rule rule) {
        OAuth2Error error = new OAuth2Error("invalid_token", otherwise, null);
        return pass -> rule.holds(pass) ? OAuth2TokenValidatorResult.success() : OAuth2TokenValidatorResult.failure(error);
    }
}
