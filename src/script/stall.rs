//! What makes Lua that runs long look at the clock.
//!
//! Lua can call a hook every so many instructions, but while one is set every instruction pays for
//! it: a loop of arithmetic takes 2.2 times as long. So none is set until a thread has used its
//! processor for [`EVERY`]. Then a timer of the kernel's interrupts it with a signal, whose handler
//! sets the hook on the coroutine that is being run, if one is; the hook has the clock looked at,
//! and is unset again if the coroutine may go on. A thread that waits is not interrupted: only time
//! on its processor counts. Where there are no such timers, the hook is always set.
//!
//! This is the only file with `unsafe` code: a loop that calls nothing can be reached in no other
//! way. It rests on three things. Lua says of `lua_sethook` that a signal handler may call it while
//! its thread runs Lua, and Lua's own program does so at Ctrl-C. The handler calls nothing else of
//! Lua's that writes. And what it is told is being run is borrowed for as long as it is told so.

use std::rc::Rc;
use std::time::Duration;

use mlua::{HookTriggers, Lua, Thread, VmState};

/// Time on the processor between two interruptions of a thread.
const EVERY: Duration = Duration::from_millis(10);

/// Instructions between two looks at the clock while the hook is set: few enough for loops of slow
/// ones.
const INSTRUCTIONS: u16 = 1_000;

/// Has `look` called while Lua of this state runs for long, by the thread that calls this, for as
/// long as what comes back is held. Where `look` fails, so does the Lua, again and again.
pub(super) fn watch(
    lua: &Lua,
    look: impl Fn(&Lua) -> mlua::Result<()> + 'static,
) -> mlua::Result<Option<Ticks>> {
    let look = Rc::new(look);
    let always = Rc::clone(&look);
    lua.set_global_hook(
        HookTriggers::new().every_nth_instruction(INSTRUCTIONS.into()),
        move |lua, _| always(lua).map(|()| VmState::Continue),
    )?;
    let ticks = Ticks::begin(lua, EVERY);
    if ticks.is_some() {
        lua.set_global_hook(HookTriggers::new(), move |lua, _| {
            look(lua)?;
            lua.remove_hook();
            Ok(VmState::Continue)
        })?;
    }
    Ok(ticks)
}

/// Runs Lua on this coroutine, so that a tick finds it.
pub(super) fn running<R>(thread: &Thread, run: impl FnOnce() -> R) -> R {
    let _told = ticks::Told::new(thread);
    run()
}

pub(super) use ticks::Ticks;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
mod ticks {
    use std::marker::PhantomData;
    use std::os::raw::c_int;
    use std::ptr;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};
    use std::time::Duration;

    use mlua::ffi::{LUA_MASKCOUNT, lua_Hook, lua_State, lua_gethook, lua_sethook};
    use mlua::{Lua, Thread};
    use nix::sys::signal::{SaFlags, SigAction, SigEvent, SigHandler, SigSet, SigevNotify};
    use nix::sys::signal::{Signal, sigaction};
    use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
    use nix::time::ClockId;
    use nix::unistd::gettid;

    use super::INSTRUCTIONS;

    /// Nobody else's: by default it is ignored, as it is by programs that are started from here.
    const SIGNAL: Signal = Signal::SIGURG;

    /// What mlua has Lua call as a hook, the same in all states.
    static HOOK: OnceLock<lua_Hook> = OnceLock::new();

    thread_local! {
        /// The coroutine that this thread is running, or null.
        static RUNNING: AtomicPtr<lua_State> = const { AtomicPtr::new(ptr::null_mut()) };
    }

    /// A timer that interrupts the thread that began it, until this is dropped.
    pub struct Ticks {
        _timer: Timer,
    }

    impl Ticks {
        /// Begins to tick. The state's hook has to be set; `None` where it has to stay so.
        pub fn begin(lua: &Lua, every: Duration) -> Option<Self> {
            // SAFETY: the state is that of `lua`, which is borrowed.
            let hook = unsafe { lua_gethook(lua.current_thread().state()) }?;
            HOOK.get_or_init(|| hook);
            let action = SigAction::new(
                SigHandler::Handler(tick),
                SaFlags::SA_RESTART | SaFlags::SA_ONSTACK,
                SigSet::empty(),
            );
            // SAFETY: all that the handler does may be done in one.
            unsafe { sigaction(SIGNAL, &action) }.ok()?;
            let notify = SigevNotify::SigevThreadId {
                signal: SIGNAL,
                thread_id: gettid().as_raw(),
                si_value: 0,
            };
            let clock = ClockId::CLOCK_THREAD_CPUTIME_ID;
            let mut timer = Timer::new(clock, SigEvent::new(notify)).ok()?;
            let expiration = Expiration::Interval(every.into());
            timer.set(expiration, TimerSetTimeFlags::empty()).ok()?;
            Some(Self { _timer: timer })
        }
    }

    /// Sets the hook on what is being run, unless it is set: that would begin its count anew.
    extern "C" fn tick(_: c_int) {
        let state = RUNNING.with(|running| running.load(Relaxed));
        if let (false, Some(hook)) = (state.is_null(), HOOK.get()) {
            // SAFETY: the coroutine is held by `running`, and this is its thread. Lua allows it.
            unsafe {
                if lua_gethook(state).is_none() {
                    lua_sethook(state, Some(*hook), LUA_MASKCOUNT, INSTRUCTIONS.into());
                }
            }
        }
    }

    /// Whether the hook is set on a coroutine.
    #[cfg(test)]
    pub fn is_set(thread: &Thread) -> bool {
        // SAFETY: the coroutine is borrowed.
        unsafe { lua_gethook(thread.state()) }.is_some()
    }

    /// Tells ticks which coroutine is being run, until it is dropped.
    pub struct Told<'a> {
        before: *mut lua_State,
        thread: PhantomData<&'a Thread>,
    }

    impl<'a> Told<'a> {
        pub fn new(thread: &'a Thread) -> Self {
            let before = RUNNING.with(|running| running.swap(thread.state(), Relaxed));
            Self { before, thread: PhantomData }
        }
    }

    impl Drop for Told<'_> {
        fn drop(&mut self) {
            RUNNING.with(|running| running.store(self.before, Relaxed));
        }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod ticks {
    use std::time::Duration;

    use mlua::{Lua, Thread};

    /// There are none.
    pub enum Ticks {}

    impl Ticks {
        pub fn begin(_: &Lua, _: Duration) -> Option<Self> {
            None
        }
    }

    /// Told to nobody.
    pub struct Told;

    impl Told {
        pub fn new(_: &Thread) -> Self {
            Self
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use mlua::Function;

    use super::*;

    /// A state whose looks are counted and, from the third on, fail where they are to.
    fn watched(failing: bool) -> (Lua, Option<Ticks>, Rc<Cell<u32>>) {
        let (lua, looks) = (Lua::new(), Rc::new(Cell::new(0)));
        let counted = Rc::clone(&looks);
        let ticks = watch(&lua, move |_| {
            counted.update(|looks| looks + 1);
            if failing && counted.get() > 2 { Err(mlua::Error::runtime("stalled")) } else { Ok(()) }
        });
        let ticks = ticks.unwrap();
        assert!(ticks.is_some(), "this machine has no such timers");
        (lua, ticks, looks)
    }

    fn coroutine(lua: &Lua, code: &str) -> Thread {
        lua.create_thread(lua.load(code).into_function().unwrap()).unwrap()
    }

    fn run(thread: &Thread) -> mlua::Result<()> {
        running(thread, || thread.resume(()))
    }

    #[test]
    fn no_hook_is_set_but_while_lua_has_run_for_long() {
        let (lua, ticks, looks) = watched(false);
        let seen = Rc::clone(&looks);
        let looked: Function = lua.create_function(move |_, ()| Ok(seen.get() > 2)).unwrap();
        lua.globals().set("looked", looked).unwrap();
        let thread = coroutine(
            &lua,
            "while not looked() do end coroutine.yield() for _ = 1, 2000 do end coroutine.yield()",
        );
        assert!(!ticks::is_set(&thread));
        run(&thread).unwrap();
        // One more may have set it since.
        drop(ticks);
        run(&thread).unwrap();
        assert!(thread.is_resumable());
        assert!(!ticks::is_set(&thread));
        let before = looks.get();
        let another = coroutine(&lua, "for _ = 1, 100000 do end");
        assert!(!ticks::is_set(&another));
        run(&another).unwrap();
        assert_eq!(looks.get(), before);
    }

    #[test]
    fn a_loop_that_calls_nothing_is_stopped_by_a_look_that_fails() {
        let (lua, _ticks, looks) = watched(true);
        let error = run(&coroutine(&lua, "while true do end")).unwrap_err();
        assert!(error.to_string().contains("stalled"), "{error}");
        assert_eq!(looks.get(), 3);
    }

    #[test]
    fn threads_that_run_at_once_look_after_their_own_lua() {
        let runs = || {
            let (lua, _ticks, looks) = watched(true);
            run(&coroutine(&lua, "while true do end")).unwrap_err();
            looks.get()
        };
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(runs)).collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 3));
    }
}
