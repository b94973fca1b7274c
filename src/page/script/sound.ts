// A chime when it is the visitor's turn: made here, no file. Browsers let a page sound only after somebody pressed something on it, so
// there is a button, and it lets hear what will come.

let sound: AudioContext | null = null;

/** Whether this browser can. */
export const canSound = typeof AudioContext === "function";

/** Switches it on, with a first chime, or off; answers whether it is on. */
export function toggle(): boolean {
  if (sound) {
    void sound.close();
    sound = null;
    return false;
  }
  sound = new AudioContext();
  chime();
  return true;
}

/** Two rising notes, where it is on; answers whether it is. */
export function chime(): boolean {
  if (!sound) return false;
  void sound.resume();
  for (const [i, pitch] of [660, 880].entries()) {
    const at = sound.currentTime + i * 0.25;
    const tone = sound.createOscillator();
    const volume = sound.createGain();
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.0001, at);
    volume.gain.exponentialRampToValueAtTime(0.3, at + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.7);
    tone.connect(volume).connect(sound.destination);
    tone.start(at);
    tone.stop(at + 0.75);
  }
  return true;
}
