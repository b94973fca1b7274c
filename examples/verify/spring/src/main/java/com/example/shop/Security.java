package com.example.shop;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.config.http.SessionCreationPolicy;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.server.resource.web.BearerTokenAuthenticationEntryPoint;
import org.springframework.security.oauth2.server.resource.web.BearerTokenResolver;
import org.springframework.security.oauth2.server.resource.web.DefaultBearerTokenResolver;
import org.springframework.security.web.AuthenticationEntryPoint;
import org.springframework.security.web.SecurityFilterChain;

/** Lets in only whom the waiting room admitted. */
@Configuration
public class Security {
    @Bean
    JwtDecoder passes(
            @Value("${ropeline.issuer}") String issuer,
            @Value("${ropeline.audience}") String audience,
            @Value("${ropeline.event}") String event,
            @Value("${ropeline.jwks}") String jwks) {
        return new PassDecoder(new Keys(jwks), issuer, audience, event);
    }

    @Bean
    SecurityFilterChain chain(HttpSecurity http) throws Exception {
        return http
                .authorizeHttpRequests(requests -> requests.anyRequest().authenticated())
                .oauth2ResourceServer(server -> server
                        .jwt(jwt -> {})
                        .bearerTokenResolver(header())
                        .authenticationEntryPoint(refusal()))
                .sessionManagement(sessions -> sessions.sessionCreationPolicy(SessionCreationPolicy.STATELESS))
                // No cookie vouches for anything here.
                .csrf(csrf -> csrf.disable())
                .build();
    }

    /** The pass is in {@code Ropeline-Pass} where the waiting room stands in front of the shop, else it is the bearer token. */
    private static BearerTokenResolver header() {
        DefaultBearerTokenResolver bearer = new DefaultBearerTokenResolver();
        return request -> {
            String pass = request.getHeader("Ropeline-Pass");
            return pass != null ? pass : bearer.resolve(request);
        };
    }

    private static AuthenticationEntryPoint refusal() {
        BearerTokenAuthenticationEntryPoint bad = new BearerTokenAuthenticationEntryPoint();
        return (request, response, exception) -> {
            if (exception instanceof NoKeysException) {
                response.setHeader("Retry-After", "10");
                response.setStatus(503);
            } else {
                bad.commence(request, response, exception);
            }
        };
    }
}
