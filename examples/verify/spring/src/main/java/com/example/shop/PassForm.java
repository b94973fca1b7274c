package com.example.shop;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.regex.Pattern;
import org.springframework.security.oauth2.jwt.BadJwtException;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The form of a pass: the one spelling of the token, no member twice, header and claims exactly what a pass has. Nothing of what it says
 * may be believed before the signature is verified.
 */
final class PassForm {
    static final String TYP = "ropeline-pass+jwt";
    private static final int MAX_LENGTH = 4096;
    private static final Pattern RANDOM_JTI = Pattern.compile("[A-Za-z0-9_-]{22,128}");
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private PassForm() {}

    /** The name of the key that it is signed with, if it has the form of a pass. */
    static String check(String token) {
        String[] segments = token.split("\\.", -1);
        if (token.length() > MAX_LENGTH || segments.length != 3) {
            throw new BadJwtException("no compact JWS");
        }
        JsonNode header = object(segments[0]);
        JsonNode claims = object(segments[1]);
        bytes(segments[2]);
        if (header.size() != 3 || !areTexts(header, "alg", "typ", "kid") || !header.get("typ").asString().equals(TYP)) {
            throw new BadJwtException("the header is not that of a pass");
        }
        boolean times = isNatural(claims.get("iat")) && isNatural(claims.get("exp"));
        if (!areTexts(claims, "iss", "aud", "sub", "evt", "jti") || !times || !isOneOf(claims)) {
            throw new BadJwtException("the claims are not those of a pass");
        }
        return header.get("kid").asString();
    }

    /** Admitted from the line, or while no queue was in force; {@code jti} is the name of that one admission. */
    private static boolean isOneOf(JsonNode claims) {
        JsonNode num = claims.get("num");
        JsonNode seq = claims.get("seq");
        JsonNode adm = claims.get("adm");
        String jti = claims.get("jti").asString();
        if (adm == null) {
            String name = isNatural(seq) ? claims.get("evt").asString() + "/" + seq.asLong() : null;
            return isNatural(num) && isNatural(seq) && seq.asLong() > 0 && jti.equals(name);
        }
        boolean passthrough = adm.isString() && adm.asString().equals("passthrough");
        return passthrough && num == null && seq == null && RANDOM_JTI.matcher(jti).matches();
    }

    private static boolean areTexts(JsonNode object, String... names) {
        for (String name : names) {
            if (!object.has(name) || !object.get(name).isString()) {
                return false;
            }
        }
        return true;
    }

    private static boolean isNatural(JsonNode value) {
        return value != null && value.isIntegralNumber() && value.canConvertToLong() && value.asLong() >= 0;
    }

    /** The bytes of a segment in the one spelling that base64url has for them; Java's decoder takes others, too. */
    private static byte[] bytes(String segment) {
        try {
            byte[] bytes = Base64.getUrlDecoder().decode(segment);
            if (Base64.getUrlEncoder().withoutPadding().encodeToString(bytes).equals(segment)) {
                return bytes;
            }
        } catch (IllegalArgumentException e) {
            // Refused below.
        }
        throw new BadJwtException("no base64url");
    }

    private static JsonNode object(String segment) {
        try {
            String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes(segment))).toString();
            JsonNode value = JSON.readTree(text);
            if (value.isObject()) {
                return value;
            }
        } catch (CharacterCodingException | JacksonException e) {
            // Refused below.
        }
        throw new BadJwtException("no JSON object, or a member is there twice");
    }
}
