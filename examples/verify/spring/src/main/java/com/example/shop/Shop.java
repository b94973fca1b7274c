package com.example.shop;

import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.http.ResponseEntity;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RestController;

/** A shop in Spring behind a Ropeline waiting room. */
@SpringBootApplication
@RestController
public class Shop {
    /** Each admission buys once, however often its pass is renewed. In a shop: a unique column {@code jti} beside the order. */
    private final Set<String> used = ConcurrentHashMap.newKeySet();

    public static void main(String[] arguments) {
        SpringApplication.run(Shop.class, arguments);
    }

    @GetMapping("/checkout")
    Map<String, Object> checkout(@AuthenticationPrincipal Jwt pass) {
        Map<String, Object> body = new HashMap<>();
        body.put("visitor", pass.getSubject());
        body.put("number", pass.getClaim("num"));
        return body;
    }

    @PostMapping("/orders")
    ResponseEntity<Map<String, String>> order(@AuthenticationPrincipal Jwt pass) {
        if (!used.add(pass.getId())) {
            return ResponseEntity.status(409).body(Map.of("error", "already-used"));
        }
        return ResponseEntity.status(201).body(Map.of("order", pass.getId()));
    }
}
